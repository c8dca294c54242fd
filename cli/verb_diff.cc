// gpuvm diff: do two traces hold the same accesses?
#include "analysis/diff/diff.h"
#include "cli/namer_choice.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "traces/format/gvt.h"

namespace gpuvm::cli {

int run_diff(const DiffVerbOptions& options) {
  if (const Status other = expect_other_output({options.a, options.b}); !other) return fail(other.error());
  auto a = TraceReader::open(options.a);
  if (!a) return fail(a.error());
  auto b = TraceReader::open(options.b);
  if (!b) return fail(b.error());
  DiffOptions how;
  how.device_events = options.device_events;
  how.max_hunks = options.max_places;
  const auto namer = choose_namer(*a.value(), options.names);
  if (!namer) return fail(namer.error());
  const auto result = diff_traces(*a.value(), *b.value(), a.value()->meta().device, how, namer.value().get());
  if (!result) return fail(result.error());
  const auto render = options.json ? diff_json : diff_text;
  std::string text = render(result.value(), options.a, options.b, options.sequence_only);
  if (text.empty() || text.back() != '\n') text += '\n';
  if (options.json) {
    put(printable_json(text));
  } else {
    put(text);
  }
  // What a cut file no longer holds is not known to be the same.
  for (const auto& reader : {a.value().get(), b.value().get()}) {
    if (!reader->summary().problem.empty())
      print_error("gpuvm: {}\n", printable_text(reader->summary().problem));
  }
  const bool same = options.sequence_only ? result.value().same_sequence() : result.value().same();
  return same ? kDone : kDoesNotHold;
}

}  // namespace gpuvm::cli
