/**
 * To be imported before the first WebGPU adapter is asked for: lets Mesa's software Vulkan skip
 * LLVM's optimization. Tests compile many kernels and run each a few times on little data, so that
 * compiling takes nearly all of their time. Other drivers ignore the variable.
 */
process.env.GALLIVM_PERF ??= 'nopt';
