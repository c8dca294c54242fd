"""Compiles one changed file and links it in front of the libraries of a finished build, which stays as it is."""
import json
import os
import re
import shlex
import subprocess


def quiet(command, cwd):
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return done.returncode == 0, done.stdout


class Build:
    """A build folder that Ninja made: which source includes what, how each is compiled, how programs are linked."""

    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        with open(os.path.join(folder, "compile_commands.json")) as file:
            self.commands = {os.path.relpath(c["file"], root): c["command"] for c in json.load(file)}
        self.includers = {}  # path -> sources that read it
        ok, text = quiet(["ninja", "-t", "deps"], folder)
        if not ok:
            raise SystemExit(f"mutate: {folder} has no dependencies that ninja knows: build it first")
        source = None
        for line in text.splitlines():
            if not line.startswith(" "):
                source = None
                continue
            path = os.path.relpath(os.path.join(folder, line.strip()), root)
            if path.startswith(".."):
                continue
            source = source or path  # the first is the source itself
            self.includers.setdefault(path, []).append(source)
        self.links = {}

    def link_command(self, program):
        """(command without -o, objects and libraries; paths are below the build folder)"""
        if program not in self.links:
            ok, text = quiet(["ninja", "-t", "commands", program], self.folder)
            if not ok:
                raise SystemExit(f"mutate: {self.folder} does not know the program {program}")
            command = text.strip().splitlines()[-1].removeprefix(": && ").split(" && ")[0]
            words = shlex.split(command)
            out = words.index("-o")
            self.links[program] = words[:out] + words[out + 2 :]
        return self.links[program]

    def sources_of(self, program):
        """The sources whose objects the program's link names, without those in libraries."""
        found = set()
        for word in self.link_command(program):
            if word.endswith(".o"):
                found.add(re.sub(r"CMakeFiles/[^/]*\.dir/", "", word).removesuffix(".o"))
        return found

    def object_in_build(self, source):
        words = shlex.split(self.commands[source])
        return words[words.index("-o") + 1]


class Workshop:
    """A folder in which one worker builds: an overlay of changed sources, objects, programs."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.overlay = os.path.join(folder, "src")
        os.makedirs(os.path.join(folder, "tmp"), exist_ok=True)

    def put(self, path, text):
        place = os.path.join(self.overlay, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w") as file:
            file.write(text)

    def remove(self, path):
        os.remove(os.path.join(self.overlay, path))

    def object_of(self, source):
        return os.path.join(self.folder, source.replace("/", "_") + ".o")

    def compile(self, source):
        """Warnings are off, as a change may leave something unused; no debug information, for speed."""
        words = [w for w in shlex.split(self.build.commands[source]) if w != "-g" and not w.startswith("-W")]
        if os.path.basename(words[0]) == "ccache":
            words = words[1:]  # nobody compiles this again
        words[words.index("-o") + 1] = self.object_of(source)
        changed = os.path.join(self.overlay, source)
        if os.path.exists(changed):
            words[words.index("-c") + 1] = changed
        first = next(i for i, w in enumerate(words) if w.startswith("-I"))
        words[first:first] = ["-I" + self.overlay]
        ok, _ = quiet(words + ["-w", "-g0"], self.build.folder)
        return ok

    def link(self, program, sources):
        """The program with the objects of `sources` in place of those of the build; None if it does not link."""
        out = os.path.join(self.folder, program)
        own = {self.build.object_in_build(s): self.object_of(s) for s in sources}
        words = self.build.link_command(program)
        listed = [own.get(w, w) for w in words]
        # What the link does not name is in a library: an object in front of it takes its place there.
        in_front = [o for b, o in own.items() if b not in words]
        compiler = next(i for i, w in enumerate(listed) if w.endswith(".o"))
        listed[compiler:compiler] = in_front
        ok, _ = quiet(listed + ["-o", out, "-Wl,--strip-debug"], self.build.folder)
        return out if ok else None
