# Installs the library, dsf.h, and what find_package(dsf) and pkg-config read.
set(config ${CMAKE_INSTALL_LIBDIR}/cmake/dsf)
install(TARGETS dsf EXPORT dsfTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES libdsf/include/dsf.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT dsfTargets NAMESPACE dsf:: DESTINATION ${config})

# While the version begins with 0, the second number says what fits; libraries are told apart by their soname besides.
write_basic_package_version_file(dsfConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(libdsf/cmake/dsfConfig.cmake.in dsfConfig.cmake @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dsfConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/dsfConfigVersion.cmake
    DESTINATION ${config})

# Paths relative to dsf.pc itself, for `cmake --install` may be given another prefix.
file(RELATIVE_PATH prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" prefix "${prefix}")
file(RELATIVE_PATH libdir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH includedir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
list(TRANSFORM cxx_libraries PREPEND -l OUTPUT_VARIABLE libs_private)
list(JOIN libs_private " " libs_private)
configure_file(libdsf/cmake/dsf.pc.in dsf.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dsf.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
