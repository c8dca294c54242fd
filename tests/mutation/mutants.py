"""Where a C++ source can be changed a little, and how: one change is a Mutant.

Works on text that clang-format has laid out: a binary operator has space on both sides, a template bracket has not.
"""
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    path: str
    start: int  # of what is replaced, in the file's text
    end: int
    replacement: str
    kind: str
    line: int
    key: str  # names it across edits elsewhere in the file and across new line breaks

    def applied_to(self, text):
        return text[: self.start] + self.replacement + text[self.end :]


# What becomes of an operator: (kind, replacement) each.
OPERATORS = {
    "<": [("boundary", "<="), ("comparison", ">=")],
    "<=": [("boundary", "<"), ("comparison", ">")],
    ">": [("boundary", ">="), ("comparison", "<=")],
    ">=": [("boundary", ">"), ("comparison", "<")],
    "==": [("comparison", "!=")],
    "!=": [("comparison", "==")],
    "&&": [("operator", "||")],
    "||": [("operator", "&&")],
    "+": [("operator", "-")],
    "-": [("operator", "+")],
    "*": [("operator", "+")],
    "&": [("operator", "|")],
    "|": [("operator", "&")],
    "<<": [("operator", ">>")],
    ">>": [("operator", "<<")],
    "+=": [("operator", "-=")],
    "-=": [("operator", "+=")],
    "|=": [("operator", "&=")],
    "&=": [("operator", "|=")],
}
OPERATOR = re.compile(r"(?<=\s)(%s)(?=\s)" % "|".join(re.escape(o) for o in sorted(OPERATORS, key=len, reverse=True)))
NUMBER = re.compile(r"(?<![\w.'])(0x[0-9a-fA-F']+|\d[\d']*)(?=[uUlL]*(?![\w.']))")
BOOLEAN = re.compile(r"\b(true|false)\b")
CONDITION = re.compile(r"\b(?:if|while) \(")
# A statement that is complete without what it does: a call, an assignment, a step, a way out.
REMOVABLE = re.compile(
    r"(?:return|break|continue)\s*;$"
    r"|(?:\+\+|--)[^;]*;$|[^\s;]+(?:\+\+|--);$"
    r"|\*?[A-Za-z_][\w:.\[\]]*(?:->[\w.\[\]]+|\([^;{}]*?\)(?=[.\-]|\[))*\s*\(.*\);$"
    r"|[^\s=]+ (?:[-+|&^*]|<<|>>)?= .*;$",
    re.S,
)
# A statement that other ones stand in front of.
PREFIX = re.compile(r"(?:else\b|do\b|default\s*:|case [^;{}]*?[^:]:(?!:)|(?:public|private|protected):)\s*")
HEADER = re.compile(r"(?:if(?: constexpr)?|for|while|switch) \(")
# Checks of the compiler's and of our own: when they fail, nothing is left to be seen.
NOT_CODE = re.compile(r"\b(?:static_assert|GPUVM_CHECK)\(")


def masked(text):
    """The text with comments, strings, characters and preprocessor lines blanked out, at the same places."""
    pattern = re.compile(
        r"//[^\n]*|/\*.*?\*/|R\"(\w*)\(.*?\)\1\"|\"(?:\\.|[^\"\\\n])*\"|(?<!\w)'(?:\\.|[^'\\\n])+'|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",
        re.S | re.M,
    )
    blank = lambda found: re.sub(r"[^\n]", " ", found.group(0))
    code = pattern.sub(blank, text)
    out = code
    for found in NOT_CODE.finditer(code):
        end = closing(code, found.end() - 1) + 1
        out = out[: found.start()] + re.sub(r"[^\n]", " ", out[found.start() : end]) + out[end:]
    return out


def closing(text, opening):
    """The place of the bracket that closes the one at `opening`; the end of the text if there is none."""
    depth = 0
    for at in range(opening, len(text)):
        if text[at] in "([{":
            depth += 1
        elif text[at] in ")]}":
            depth -= 1
            if depth == 0:
                return at
    return len(text) - 1


def statements(code):
    """Yields (start, end) of each statement without its headers, labels and blocks; `end` is behind its semicolon."""
    stack = []  # of (start of the segment, depth of parentheses) around each open brace
    start, depth = 0, 0
    for at, char in enumerate(code):
        if char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == "{":
            stack.append((start, depth, code[start:at].strip()))
            start, depth = at + 1, 0
        elif char == "}":
            if not stack:
                continue
            outer, depth, head = stack.pop()
            # Behind a block something new begins; behind a lambda or an initialiser the statement goes on.
            is_block = depth == 0 and not re.search(r"(?:[=,(]|return|\]|\w)$", re.sub(r"\b(?:const|override|noexcept|else|do)$", ")", head))
            start = at + 1 if is_block or not head else outer
        elif char == ";" and depth == 0:
            begin = start
            while True:
                begin += len(code[begin:at]) - len(code[begin:at].lstrip())
                if found := PREFIX.match(code, begin, at):
                    begin = found.end()
                elif found := HEADER.match(code, begin, at):
                    begin = closing(code, found.end() - 1) + 1
                else:
                    break
            if begin < at:
                yield begin, at + 1
            start = at + 1


def changes(code):
    """Yields (start, end, replacement, kind)."""
    for found in OPERATOR.finditer(code):
        if code[: found.start()].rstrip().endswith(("operator", "template", "[")):
            continue
        for kind, replacement in OPERATORS[found.group(1)]:
            yield found.start(), found.end(), replacement, kind
    for found in NUMBER.finditer(code):
        digits = found.group(1).replace("'", "")
        value = int(digits, 16 if digits.startswith("0x") else 10) + 1
        yield found.start(), found.end(), hex(value) if digits.startswith("0x") else str(value), "constant"
    for found in BOOLEAN.finditer(code):
        yield found.start(), found.end(), "false" if found.group(1) == "true" else "true", "constant"
    for found in CONDITION.finditer(code):
        opening = found.end() - 1
        end = closing(code, opening)
        inside = code[opening + 1 : end]
        first = opening + 1 + inside.rfind(";") + 1  # behind an initialiser
        if re.search(r"[^=!<>+\-*|&^]=[^=]", code[first:end]):
            continue  # a declaration or an assignment
        yield first, end, f" !({code[first:end].strip()})" if first > opening + 1 else f"!({code[first:end]})", "condition"
    for start, end in statements(code):
        if REMOVABLE.fullmatch(code, start, end):
            yield start, end, ";", "statement"


def normalised(text):
    return " ".join(text.split())


def find(path, text):
    """All mutants of a file."""
    code = masked(text)
    found, seen = [], {}
    for start, end, replacement, kind in sorted(changes(code)):
        if kind == "condition":  # with what the mask has hidden
            replacement = replacement.replace(code[start:end].strip(), text[start:end].strip())
        # The statement around it, or as much as stands between braces.
        begin = max(code.rfind(c, 0, start) for c in ";{}") + 1
        until = min((i for i in (code.find(c, end) for c in ";{}") if i >= 0), default=len(code))
        if code[end - 1 : end] == ";":
            until = end
        before = normalised(code[begin:start]) , normalised(text[start:end]), normalised(code[end:until])
        key = f"{path}: {before[0]} [{before[1]} => {normalised(replacement)}] {before[2]}".rstrip()
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            key += f" #{seen[key]}"
        line = text.count("\n", 0, start) + 1
        found.append(Mutant(path, start, end, replacement, kind, line, key))
    return found
