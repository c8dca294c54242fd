#include "tracer/guest_program/compute/opencl.h"

#include <dlfcn.h>

#include <array>
#include <utility>

namespace gpuvm::guest {
namespace {

constexpr char kLibrary[] = "libOpenCL.so.1";
constexpr uint64_t kAnyDevice = 0xffffffff, kReadWrite = 1;
constexpr uint32_t kDeviceName = 0x102b, kDeviceVersion = 0x102f, kBuildLog = 0x1183, kTrue = 1;

}  // namespace

// clang-format off
#define GPUVM_CL_FUNCTIONS(X)                                                                                \
  X(GetPlatformIDs, int32_t(uint32_t, Handle*, uint32_t*))                                                   \
  X(GetDeviceIDs, int32_t(Handle, uint64_t, uint32_t, Handle*, uint32_t*))                                   \
  X(GetDeviceInfo, int32_t(Handle, uint32_t, size_t, void*, size_t*))                                        \
  X(CreateContext, Handle(const intptr_t*, uint32_t, const Handle*, void*, void*, int32_t*))                 \
  X(CreateCommandQueue, Handle(Handle, Handle, uint64_t, int32_t*))                                          \
  X(CreateBuffer, Handle(Handle, uint64_t, size_t, void*, int32_t*))                                         \
  X(CreateProgramWithSource, Handle(Handle, uint32_t, const char**, const size_t*, int32_t*))                \
  X(BuildProgram, int32_t(Handle, uint32_t, const Handle*, const char*, void*, void*))                       \
  X(GetProgramBuildInfo, int32_t(Handle, Handle, uint32_t, size_t, void*, size_t*))                          \
  X(CreateKernel, Handle(Handle, const char*, int32_t*))                                                     \
  X(SetKernelArg, int32_t(Handle, uint32_t, size_t, const void*))                                            \
  X(EnqueueWriteBuffer,                                                                                      \
    int32_t(Handle, Handle, uint32_t, size_t, size_t, const void*, uint32_t, const Handle*, Handle*))        \
  X(EnqueueReadBuffer,                                                                                       \
    int32_t(Handle, Handle, uint32_t, size_t, size_t, void*, uint32_t, const Handle*, Handle*))              \
  X(EnqueueNDRangeKernel, int32_t(Handle, Handle, uint32_t, const size_t*, const size_t*, const size_t*,     \
                                  uint32_t, const Handle*, Handle*))                                         \
  X(Finish, int32_t(Handle))                                                                                 \
  X(ReleaseMemObject, int32_t(Handle)) X(ReleaseKernel, int32_t(Handle)) X(ReleaseProgram, int32_t(Handle))  \
  X(ReleaseCommandQueue, int32_t(Handle)) X(ReleaseContext, int32_t(Handle))
// clang-format on

struct OpenCl::Functions {
#define GPUVM_CL_MEMBER(name, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;
  GPUVM_CL_FUNCTIONS(GPUVM_CL_MEMBER)
#undef GPUVM_CL_MEMBER
};

Result<OpenCl> OpenCl::open() {
  // Stays open: drivers have threads.
  static Functions functions;
  void* library = dlopen(kLibrary, RTLD_NOW);
  if (library == nullptr) return error("cannot open {}: {}", kLibrary, dlerror());
#define GPUVM_CL_LOAD(name, ...)                                                           \
  functions.name = reinterpret_cast<decltype(functions.name)>(dlsym(library, "cl" #name)); \
  if (functions.name == nullptr) return error("{} has no cl" #name, kLibrary);
  GPUVM_CL_FUNCTIONS(GPUVM_CL_LOAD)
#undef GPUVM_CL_LOAD
  OpenCl cl;
  cl.call_ = &functions;
  std::array<Handle, 8> platforms{};
  uint32_t count = 0;
  functions.GetPlatformIDs(static_cast<uint32_t>(platforms.size()), platforms.data(), &count);
  for (uint32_t i = 0; i < std::min<uint32_t>(count, platforms.size()) && cl.device_ == nullptr; ++i) {
    uint32_t devices = 0;
    if (functions.GetDeviceIDs(platforms[i], kAnyDevice, 1, &cl.device_, &devices) != 0) cl.device_ = nullptr;
  }
  if (cl.device_ == nullptr) return error("OpenCL has {} platforms and no device", count);
  const auto info = [&](uint32_t what) {
    std::array<char, 256> text{};
    functions.GetDeviceInfo(cl.device_, what, text.size() - 1, text.data(), nullptr);
    std::string out(text.data());
    while (out.ends_with(' ')) out.pop_back();
    return out;
  };
  cl.description_ = fmt::format("{}, {}", info(kDeviceName), info(kDeviceVersion));
  int32_t code = 0;
  cl.context_ = functions.CreateContext(nullptr, 1, &cl.device_, nullptr, nullptr, &code);
  if (code == 0) cl.queue_ = functions.CreateCommandQueue(cl.context_, cl.device_, 0, &code);
  if (code != 0) return error("OpenCL makes no context and queue on {}: error {}", cl.description_, code);
  return cl;
}

OpenCl::OpenCl(OpenCl&& other) noexcept
    : call_(other.call_),
      context_(std::exchange(other.context_, nullptr)),
      device_(other.device_),
      queue_(std::exchange(other.queue_, nullptr)),
      program_(std::exchange(other.program_, nullptr)),
      kernel_(std::exchange(other.kernel_, nullptr)),
      buffers_(std::move(other.buffers_)),
      description_(std::move(other.description_)) {}

OpenCl::~OpenCl() {
  for (const Handle buffer : buffers_) call_->ReleaseMemObject(buffer);
  if (kernel_ != nullptr) call_->ReleaseKernel(kernel_);
  if (program_ != nullptr) call_->ReleaseProgram(program_);
  if (queue_ != nullptr) call_->ReleaseCommandQueue(queue_);
  if (context_ != nullptr) call_->ReleaseContext(context_);
}

Status OpenCl::build(const char* source, const char* kernel) {
  int32_t code = 0;
  program_ = call_->CreateProgramWithSource(context_, 1, &source, nullptr, &code);
  if (code == 0) code = call_->BuildProgram(program_, 1, &device_, "", nullptr, nullptr);
  if (code != 0) {
    std::array<char, 4096> log{};
    if (program_ != nullptr)
      call_->GetProgramBuildInfo(program_, device_, kBuildLog, log.size() - 1, log.data(), nullptr);
    const std::string_view text(log.data());
    return error("the kernel does not compile: error {}, {}", code, text.substr(0, text.find('\n')));
  }
  kernel_ = call_->CreateKernel(program_, kernel, &code);
  if (code != 0) return error("the program has no kernel {}: error {}", kernel, code);
  return Ok{};
}

Result<OpenCl::Handle> OpenCl::buffer(size_t bytes) {
  int32_t code = 0;
  const Handle made = call_->CreateBuffer(context_, kReadWrite, bytes, nullptr, &code);
  if (code != 0) return error("OpenCL makes no buffer of {} bytes: error {}", bytes, code);
  buffers_.push_back(made);
  return made;
}

Status OpenCl::write(Handle buffer, const std::vector<uint32_t>& words) {
  const int32_t code = call_->EnqueueWriteBuffer(queue_, buffer, kTrue, 0, words.size() * 4, words.data(), 0,
                                                 nullptr, nullptr);
  if (code != 0) return error("OpenCL writes no buffer: error {}", code);
  return Ok{};
}

Result<std::vector<uint32_t>> OpenCl::read(Handle buffer, size_t words) {
  std::vector<uint32_t> out(words);
  const int32_t code =
      call_->EnqueueReadBuffer(queue_, buffer, kTrue, 0, words * 4, out.data(), 0, nullptr, nullptr);
  if (code != 0) return error("OpenCL reads no buffer: error {}", code);
  return out;
}

Status OpenCl::run(const std::vector<Handle>& buffers, uint32_t word, size_t across, size_t down,
                   size_t group) {
  uint32_t index = 0;
  for (const Handle& buffer : buffers) {
    if (const int32_t code = call_->SetKernelArg(kernel_, index++, sizeof(buffer), &buffer); code != 0)
      return error("argument {} of the kernel: error {}", index - 1, code);
  }
  int32_t code = call_->SetKernelArg(kernel_, index, sizeof(word), &word);
  const std::array<size_t, 2> all{across, down}, each{group, group};
  if (code == 0)
    code = call_->EnqueueNDRangeKernel(queue_, kernel_, 2, nullptr, all.data(), each.data(), 0, nullptr,
                                       nullptr);
  if (code == 0) code = call_->Finish(queue_);
  if (code != 0) return error("the kernel does not run: error {}", code);
  return Ok{};
}

}  // namespace gpuvm::guest
