// The command line as data: what manual pages and shell completions are made of.
#pragma once

#include <string>
#include <vector>

namespace gpuvm::cli {

struct OptionText {
  std::vector<std::string> names;  // "-o", "--output"; none: an argument by its place
  std::string place;               // its name, of an argument by its place
  std::string value;               // the name of its value; empty: a flag
  std::string description;
  std::string initial;               // shown as the default
  std::vector<std::string> choices;  // all that may stand there; empty: anything
  bool required = false;
  bool repeats = false;
};

struct CommandText {
  std::string name;
  std::string description;
  std::string examples;
  std::vector<OptionText> options;
};

// In roff, for man(1), section 1. `version` stands at its foot.
std::string manual_page(const CommandText& verb, const std::string& version);
// The page of the program, which names the verbs.
std::string manual_page(const std::vector<CommandText>& verbs, const std::string& description,
                        const std::string& version);

// A script for `shell`: "bash", "zsh" or "fish"; empty for another.
std::string completion(const std::string& shell, const std::vector<CommandText>& verbs);

}  // namespace gpuvm::cli
