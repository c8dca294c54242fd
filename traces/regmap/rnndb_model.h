// envytools' register database as its XML files say it: names and numbers, nothing resolved yet.
// The rules are those of envytools' rnn.c (commit f102b823), see docs/import-export.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "traces/core/result.h"

namespace gpuvm::rnn {

// For which variants (chips, object classes, …) something exists.
struct Scope {
  std::string prefix;    // name of an enum, "none", or empty: as the parent's
  std::string varset;    // name of an enum, or empty
  std::string variants;  // ranges, or empty: all
};

struct Value {
  std::string name;
  std::optional<uint64_t> value;  // none: only a variant's name
  Scope scope;
};

struct Bitfield;

// What the value of a register or a field means.
struct TypeSpec {
  std::string type;  // name, or empty: told by what is below
  uint64_t shr = 0;
  uint64_t add = 0;
  uint64_t radix = 0;  // of fixed and ufixed: bits behind the binary point
  std::vector<Value> values;
  std::vector<Bitfield> bitfields;
};

struct Bitfield {
  std::string name;
  unsigned low = 0;
  unsigned high = 0;  // at most 63, not below low
  Scope scope;
  TypeSpec spec;
};

enum class ElementKind : uint8_t { kRegister, kArray, kStripe, kUseGroup };

struct Element {
  ElementKind kind = ElementKind::kRegister;
  std::string name;  // may be empty for a stripe; a use-group's is the group's
  uint64_t offset = 0;
  uint64_t length = 1;  // 0: without end
  uint64_t stride = 0;
  unsigned width = 0;  // bits, registers only
  Scope scope;
  TypeSpec spec;
  std::vector<Element> children;
};

// `is_inline`: each use is a copy, whose variants are judged where it is used; else they are judged once, in
// the scope of the enum's or bitset's own place.
struct Enum {
  Scope scope;
  bool is_inline = false;
  std::vector<Value> values;
  std::map<std::string, size_t, std::less<>> positions;  // of the first value of each name
};
struct Bitset {
  Scope scope;
  bool is_inline = false;
  std::vector<Bitfield> bitfields;
};
struct Domain {
  Scope scope;
  uint64_t width = 8;  // bits of one address
  uint64_t size = 0;   // addresses, 0 if not said
  std::vector<Element> elements;
};

struct Database {
  std::map<std::string, Enum, std::less<>> enums;
  std::map<std::string, Bitset, std::less<>> bitsets;
  std::map<std::string, Domain, std::less<>> domains;
  std::map<std::string, std::vector<Element>, std::less<>> groups;
  std::map<std::string, TypeSpec, std::less<>> spectypes;
  size_t files = 0;
  // "FILE:LINE: what", for places that could not be used and were left out; at most kMaxProblems are kept.
  std::vector<std::string> problems;
  size_t problem_count = 0;

  void problem(std::string text) {
    if (problems.size() < kMaxProblems) problems.push_back(text.substr(0, kMaxProblemText));
    ++problem_count;
  }
  static constexpr size_t kMaxProblems = 100;
  static constexpr size_t kMaxProblemText = 400;
};

// Loads `path`: a folder (its root.xml and what that imports; without one, every XML file in it) or one file.
// Errors: nothing there, an import that cannot be read or leads out of the folder, text that is not XML, and
// files over the limits (16 MiB and 4,096 files in all, 64 levels, 2^19 elements, 1,024 characters in an
// attribute). Elements that make no sense are problems, not errors.
Result<Database> load(const std::string& path);

// The same from text, for tests and fuzzing; imports are looked up in `files` (name -> text).
Result<Database> load_text(const std::map<std::string, std::string>& files, const std::string& root);

}  // namespace gpuvm::rnn
