/**
 * Import this before requesting the first WebGPU adapter. Lets Mesa's software Vulkan skip LLVM's
 * optimization: tests compile many kernels and run each a few times on little data, so they spend
 * most of their time on compilation. Other drivers ignore the variable.
 */
process.env.GALLIVM_PERF ??= 'nopt';
