# What `cmake --install` and `cpack` put where. Two parts: the tool, and the trace library for programs that read .gvt files.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS gpuvm COMPONENT tool)
install(TARGETS gpuvm-agent LIBRARY DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/gpuvm COMPONENT tool)
# Not for users to call: `capture` finds it beside itself or here.
install(TARGETS gpuvm-static-host gpuvm-guest-workload gpuvm-guest-client gpuvm-guest-compute DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/gpuvm COMPONENT tool)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT tool)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs COMPONENT tool)
# The program writes its own manual pages and completions, so that none of its options can be missing.
install(CODE "
  set(gpuvm ${CMAKE_BINARY_DIR}/gpuvm)
  set(prefix \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX})
  execute_process(COMMAND ${PROJECT_SOURCE_DIR}/cli/install-texts \${gpuvm} \${prefix}/${CMAKE_INSTALL_DATADIR}
                  COMMAND_ERROR_IS_FATAL ANY)
" COMPONENT tool)

install(TARGETS gpuvm_traces EXPORT gpuvm ARCHIVE COMPONENT library)
install(DIRECTORY traces/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gpuvm/traces COMPONENT library
        FILES_MATCHING PATTERN "*.h" PATTERN "*.inc" PATTERN samples EXCLUDE)
set(cmake_folder ${CMAKE_INSTALL_LIBDIR}/cmake/gpuvm)
install(EXPORT gpuvm NAMESPACE gpuvm:: FILE gpuvm-targets.cmake DESTINATION ${cmake_folder} COMPONENT library)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/gpuvm-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES traces/package/gpuvm-config.cmake ${CMAKE_BINARY_DIR}/gpuvm-config-version.cmake
        DESTINATION ${cmake_folder} COMPONENT library)
# Wherever it is moved to.
file(RELATIVE_PATH from_pkgconfig_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(traces/package/gpuvm-traces.pc.in ${CMAKE_BINARY_DIR}/gpuvm-traces.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/gpuvm-traces.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "the gpuvm maintainers <maintainers@invalid>")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL tool library)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_TOOL_PACKAGE_NAME gpuvm)
set(CPACK_DEBIAN_TOOL_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_TOOL_PACKAGE_RECOMMENDS "qemu-system-x86")  # for captures only
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libgpuvm-traces-dev)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_DEPENDS
    "libfmt-dev, nlohmann-json3-dev, libpugixml-dev, libzstd-dev, libxxhash-dev, zlib1g-dev, liblzma-dev")
include(CPack)
