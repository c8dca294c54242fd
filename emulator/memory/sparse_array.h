// A zeroed array that costs memory only where it is touched.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <type_traits>

namespace gpuvm {

template <typename T>
class SparseArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit SparseArray(size_t count) : count_(count) {
    void* p =
        mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();  // no address space left; the command ends with a line
    data_ = static_cast<T*>(p);
  }
  ~SparseArray() { munmap(data_, bytes()); }
  SparseArray(const SparseArray&) = delete;
  SparseArray& operator=(const SparseArray&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return count_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  size_t bytes() const { return (count_ == 0 ? 1 : count_) * sizeof(T); }
  size_t count_;
  T* data_;
};

}  // namespace gpuvm
