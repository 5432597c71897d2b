// GPUNN_ENTRY(name), appended after a kernel's source, calls the kernel with arguments from memory and describes its parameters to Python.
#pragma once

namespace gpunn_host {

template <class T> struct TypeCode { static constexpr const char* text = "V"; };
#define GPUNN_TYPE_CODE(type, code) \
    template <> struct TypeCode<type> { static constexpr const char* text = code; };
GPUNN_TYPE_CODE(float, "f4") GPUNN_TYPE_CODE(double, "f8") GPUNN_TYPE_CODE(__half, "f2") GPUNN_TYPE_CODE(__nv_bfloat16, "bf2")
GPUNN_TYPE_CODE(bool, "b1") GPUNN_TYPE_CODE(char, "i1") GPUNN_TYPE_CODE(signed char, "i1") GPUNN_TYPE_CODE(unsigned char, "u1")
GPUNN_TYPE_CODE(short, "i2") GPUNN_TYPE_CODE(unsigned short, "u2") GPUNN_TYPE_CODE(int, "i4") GPUNN_TYPE_CODE(unsigned, "u4")
GPUNN_TYPE_CODE(long, "i8") GPUNN_TYPE_CODE(unsigned long, "u8") GPUNN_TYPE_CODE(long long, "i8")
GPUNN_TYPE_CODE(unsigned long long, "u8")

struct Parameter { const char* code; int bytes, pointer, constant; };   // mirrored by loader.py
template <class T> struct Describe {
    static constexpr Parameter value = {TypeCode<T>::text, sizeof(T), 0, 0};
};
template <class T> struct Describe<T*> { static constexpr Parameter value = {TypeCode<T>::text, sizeof(T), 1, 0}; };
template <class T> struct Describe<const T*> { static constexpr Parameter value = {TypeCode<T>::text, sizeof(T), 1, 1}; };
template <> struct Describe<void*> { static constexpr Parameter value = {"V", 1, 1, 0}; };
template <> struct Describe<const void*> { static constexpr Parameter value = {"V", 1, 1, 1}; };
template <class T> struct Describe<const T> : Describe<T> {};
template <class T> struct Describe<T* const> : Describe<T*> {};

template <int... indices> struct Indices {};
template <int n, int... rest> struct MakeIndices : MakeIndices<n - 1, n - 1, rest...> {};
template <int... rest> struct MakeIndices<0, rest...> { typedef Indices<rest...> type; };

template <class... A, int... i>
GPUNN_UNCHECKED inline void call(void (*kernel)(A...), void** arguments, Indices<i...>) {
    kernel(*static_cast<A*>(arguments[i])...);
}
template <class... A> GPUNN_UNCHECKED inline void call(void (*kernel)(A...), void** arguments) {
    call(kernel, arguments, typename MakeIndices<sizeof...(A)>::type());
}
template <class... A> inline int describe(void (*)(A...), const Parameter** parameters) {
    static constexpr Parameter table[] = {Describe<A>::value..., Parameter()};
    *parameters = table;
    return sizeof...(A);
}

}  // namespace gpunn_host

extern "C" {
// Weak: a kernel without static shared variables has no such section, and the linker then leaves both null.
extern char __start_gpunn_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_gpunn_shared[] __attribute__((weak, visibility("hidden")));
#define GPUNN_EXPORT __attribute__((visibility("default"))) GPUNN_UNCHECKED
GPUNN_EXPORT void gpunn_shared_range(char** low, char** high) {
    *low = __start_gpunn_shared;
    *high = __stop_gpunn_shared;
}
}
#define GPUNN_ENTRY(name)                                                                                  \
    extern "C" GPUNN_EXPORT void gpunn_entry_##name(void** arguments) { gpunn_host::call(name, arguments); } \
    extern "C" GPUNN_EXPORT int gpunn_describe_##name(const gpunn_host::Parameter** parameters) {          \
        return gpunn_host::describe(name, parameters);                                                     \
    }
