// System calls whose structures hold pointers, and ioctl.
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tracer/process/agent/calls.h"
#include "tracer/process/agent/kernel.h"
#include "tracer/process/agent/raw.h"
#include "tracer/process/agent/recorder.h"

namespace gpuvm::agent {
namespace {

constexpr size_t kMostVectors = 1024;  // the kernel's own limit

// A copy of the program's buffer list with real addresses. -1: unreadable or too long, let the kernel say so.
long real_vectors(uint64_t list, uint64_t count, iovec* out, bool* any) {
  if (count > kMostVectors || !raw_copy(out, reinterpret_cast<const void*>(list), count * sizeof(iovec)))
    return -1;
  for (uint64_t i = 0; i < count; ++i) {
    auto address = reinterpret_cast<uint64_t>(out[i].iov_base);
    *any = translate(&address) || *any;
    out[i].iov_base = reinterpret_cast<void*>(address);
  }
  return 0;
}

void count_call() {
  process.control->unseen_calls.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

long call_vector(Call* call) {
  iovec list[kMostVectors];
  bool any = false;
  uint64_t address = call->args[1];
  translate(&address);
  if (real_vectors(address, call->args[2], list, &any) == 0 && any) {
    count_call();
    call->args[1] = reinterpret_cast<uint64_t>(list);
  }
  return reissue(call);
}

long call_message(Call* call) {
  iovec list[kMostVectors];
  msghdr message;
  uint64_t at = call->args[1];
  translate(&at);
  auto* theirs = reinterpret_cast<msghdr*>(at);
  bool any = false;
  if (!raw_copy(&message, theirs, sizeof message) ||
      real_vectors(reinterpret_cast<uint64_t>(message.msg_iov), message.msg_iovlen, list, &any) != 0) {
    return reissue(call);
  }
  void** const pointers[] = {&message.msg_name, &message.msg_control};
  for (void** pointer : pointers) {
    auto address = reinterpret_cast<uint64_t>(*pointer);
    any = translate(&address) || any;
    *pointer = reinterpret_cast<void*>(address);
  }
  if (!any) return reissue(call);
  count_call();
  message.msg_iov = list;
  call->args[1] = reinterpret_cast<uint64_t>(&message);
  const long result = reissue(call);
  if (result >= 0 && call->number == SYS_recvmsg) {
    theirs->msg_namelen = message.msg_namelen;
    theirs->msg_controllen = message.msg_controllen;
    theirs->msg_flags = message.msg_flags;
  }
  return result;
}

long call_ioctl(Call* call) {
  char path[1024];
  if (!is_chosen(call->fd(0), path, sizeof path)) return reissue(call);
  const auto request = static_cast<uint32_t>(call->args[1]);
  constexpr size_t kMost = 4096;
  uint8_t before[kMost], after[kMost];
  size_t bytes = _IOC_SIZE(request);
  if (bytes > kMost || _IOC_DIR(request) == _IOC_NONE) bytes = 0;
  uint64_t argument = call->args[2];
  translate(&argument);
  if (bytes != 0 && !raw_copy(before, reinterpret_cast<const void*>(argument), bytes)) bytes = 0;
  const uint64_t pc = call->frame->rip();
  const long result = reissue(call);
  if (bytes != 0 && !raw_copy(after, reinterpret_cast<const void*>(argument), bytes)) bytes = 0;
  Record record;
  record.type = RecordType::kCall;
  record.map = static_cast<int32_t>(result);
  record.offset = request;
  record.value = call->args[2];
  record.pc = pc;
  record.bytes = static_cast<uint32_t>(bytes);
  // Both images, then the path.
  uint8_t data[2 * kMost];
  copy_bytes(data, before, bytes);
  copy_bytes(data + bytes, after, bytes);
  record_now(record, data, 2 * bytes, path, text_length(path));
  return result;
}

}  // namespace gpuvm::agent
