
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/command_tree.h"

namespace gpuvm::cli {
namespace {

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

// In single quotes, which the three shells read alike but for the quote itself.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string bash(const std::vector<CommandText>& verbs) {
  std::string names, options, choices;
  for (const CommandText& verb : verbs) {
    names += " " + verb.name;
    std::string all;
    for (const OptionText& option : verb.options) {
      for (const std::string& name : option.names) all += " " + name;
      if (option.choices.empty() || option.names.empty()) continue;
      for (const std::string& name : option.names) {
        choices += fmt::format("    {}:{}) COMPREPLY=($(compgen -W {} -- \"$word\")); return ;;\n", verb.name,
                               name, quoted(fmt::format("{}", fmt::join(option.choices, " "))));
      }
    }
    options += fmt::format("    {}) options={} ;;\n", verb.name, quoted(all));
  }
  return fmt::format(R"(# bash completion for gpuvm
_gpuvm() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} verb=${{COMP_WORDS[1]}} options=
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W {} -- "$word"))
    return
  fi
  case $verb:${{COMP_WORDS[COMP_CWORD - 1]}} in
{}  esac
  case $verb in
{}  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _gpuvm gpuvm
)",
                     quoted(names + " --help --version"), choices, options);
}

// A specification of zsh's _arguments: colons, brackets and backslashes mean something in it.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : first_line(text)) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh(const std::vector<CommandText>& verbs) {
  std::string names, cases;
  for (const CommandText& verb : verbs) {
    names += fmt::format("    {}\n", quoted(verb.name + ":" + zsh_text(verb.description)));
    cases += fmt::format("    {})\n      _arguments \\\n", verb.name);
    for (const OptionText& option : verb.options) {
      for (const std::string& name : option.names) {
        std::string spec = fmt::format("{}[{}]", name, zsh_text(option.description));
        if (!option.choices.empty()) {
          spec += fmt::format(":{}:({})", zsh_text(option.value), fmt::join(option.choices, " "));
        } else if (!option.value.empty()) {
          spec += fmt::format(":{}:_files", zsh_text(option.value));
        }
        cases += fmt::format("        {} \\\n", quoted(spec));
      }
    }
    cases += "        '*:file:_files' ;;\n";
  }
  return fmt::format(R"(#compdef gpuvm
_gpuvm() {{
  local -a verbs
  verbs=(
{}  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
{}  esac
}}
compdef _gpuvm gpuvm
)",
                     names, cases);
}

std::string fish(const std::vector<CommandText>& verbs) {
  std::string out = "# fish completion for gpuvm\n";
  for (const CommandText& verb : verbs) {
    out += fmt::format("complete -c gpuvm -f -n __fish_use_subcommand -a {} -d {}\n", verb.name,
                       quoted(first_line(verb.description)));
    for (const OptionText& option : verb.options) {
      if (option.names.empty()) continue;
      out += fmt::format("complete -c gpuvm -n '__fish_seen_subcommand_from {}'", verb.name);
      for (const std::string& name : option.names) {
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (!option.choices.empty()) {
        out += fmt::format(" -x -a {}", quoted(fmt::format("{}", fmt::join(option.choices, " "))));
      } else if (!option.value.empty()) {
        out += " -r";
      }
      out += fmt::format(" -d {}\n", quoted(first_line(option.description)));
    }
  }
  return out;
}

}  // namespace

std::string completion(const std::string& shell, const std::vector<CommandText>& verbs) {
  if (shell == "bash") return bash(verbs);
  if (shell == "zsh") return zsh(verbs);
  if (shell == "fish") return fish(verbs);
  return "";
}

}  // namespace gpuvm::cli
