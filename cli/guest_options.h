// The arguments of the verbs that give a guest a virtual GPU.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <string>

#include "cli/verbs.h"

namespace gpuvm::cli {

template <typename Choice>
using Choices = std::map<std::string, Choice>;

// An option that takes one of a few names. `choices` outlives the parser.
template <typename Choice>
void add_choice(CLI::App* verb, const char* option, Choice& value, const Choices<Choice>& choices,
                const char* help) {
  const auto initial = std::ranges::find(choices, value, &Choices<Choice>::value_type::second);
  std::string names;
  for (const auto& [name, choice] : choices) names += (names.empty() ? "" : "|") + name;
  verb->add_option_function<std::string>(
          option, [&value, &choices](const std::string& name) { value = choices.at(name); }, help)
      ->check(CLI::IsMember(&choices).description(""))
      ->default_str(initial->first)
      ->type_name(names);
}

void add_compression(CLI::App* verb, Compression& compression);
void add_translation(CLI::App* verb, TranslationPolicy& translation);

// The virtual GPU that a guest gets, and how it is recorded.
void add_device_options(CLI::App* verb, DeviceVerbOptions& options);
// Also the guest itself. `several`: what --workload's help says of several guests; empty: there is one.
void add_guest_options(CLI::App* verb, GuestVerbOptions& options, const std::string& several);
void add_ci_options(CLI::App* verb, CiVerbOptions& options);

}  // namespace gpuvm::cli
