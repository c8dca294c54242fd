// What /init asks of the kernel: mounts, modules, files, logs, the end.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "traces/core/result.h"

namespace gpuvm::guest {

Status mount_file_system(const char* type, const char* directory);
Result<std::string> read_file(const std::string& path);
Status write_file(const std::string& path, std::string_view text);

// "a.b=c d" → {{"a.b", "c"}, {"d", ""}}; values may be quoted.
std::map<std::string, std::string> parse_command_line(std::string_view text);
// The options of `module` on the kernel's command line, as modprobe would pass them: "config=… modeset=2".
std::string module_options(const std::map<std::string, std::string>& command_line, std::string_view module);

// `file`: /modules/NAME.ko. A module that is loaded already is fine.
Status load_module(const std::string& file, const std::string& options);
Status unload_module(const std::string& file);
// Takes a device off its bus, as if it were unplugged; finds what is plugged in.
Status remove_device(const std::string& device_folder);
Status rescan_buses();
// Whether a PCI driver takes its devices when it is loaded, or waits for bind_driver().
Status set_autoprobe(bool on);
// `device_folder`: in sysfs. Errors: what the driver's probe says.
Status bind_driver(const std::string& module_file, const std::string& device_folder);
// Loads every module that a list in the image names; `options` go to the last one.
Status load_modules(const std::string& list_file, const std::string& options);
Result<std::vector<std::string>> read_lines(const std::string& path);

std::string kernel_release();  // "6.1.0-56-amd64 #1 SMP …": release and version
std::string kernel_log();      // like dmesg(1)
// The symbols of every loaded module but virtio's, and the kernel's own functions, from /proc/kallsyms: 2 MB.
std::string kernel_symbols();

// Gives the kernel's worker threads real-time priority: what is deferred to them happens at once and without
// being interrupted, not when the scheduler's clock says so. Else the order of accesses would differ from run
// to run.
void put_kernel_workers_first();
// Sleeps until no other task wants to run: work that was handed to the kernel's workers is done then.
// Bounded.
void let_kernel_finish();

[[noreturn]] void power_off();

}  // namespace gpuvm::guest
