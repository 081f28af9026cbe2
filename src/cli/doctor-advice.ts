/** Advice of `doctor` on how to make training faster on a machine. */

/** The findings that the advice depends on. */
export interface Speed {
  /** Version of Node, such as `20.20.2`. */
  readonly node: string;
  /** Value of `process.arch`. */
  readonly arch: string;
  readonly cpu: string;
  /** Cores of the machine, and how many of them this process may use. */
  readonly cores: number;
  readonly usable: number;
  /** Bits of the vectors that kernels are compiled for. */
  readonly width: 128 | 256;
  /** True if the system has a GPU device. */
  readonly hasGpu: boolean;
  /** True if the package webgpu is installed. */
  readonly hasPackage: boolean;
  /** True if WebGPU found a hardware adapter. */
  readonly hasAdapter: boolean;
}

/** The first Node.js whose V8 merges vectors to 256 bits on x64. */
const FAST_NODE = 24;

/** Sentences, the most effective first; empty if nothing is known to help. */
export function fasterBy(found: Speed): readonly string[] {
  const { node, arch, cpu, cores, usable, width, hasGpu, hasPackage, hasAdapter } = found;
  const advice: string[] = [];
  if (arch === 'x64' && cpu.startsWith('Apple'))
    advice.push('this Node.js is emulated: install the one for arm64');
  else if (arch === 'x64' && width === 128 && Number.parseInt(node, 10) < FAST_NODE)
    advice.push(`Node.js ${FAST_NODE} or later halves the time of a training step; this is ${node}`);
  if (usable < cores)
    advice.push(
      `this process may use ${usable} of ${cores} cores (a limit of the container, or taskset); training uses all that it may`,
    );
  if (hasGpu && !hasPackage) advice.push('this machine has a GPU, which needs a package: npm install webgpu');
  else if (hasGpu && !hasAdapter)
    advice.push(
      'this machine has a GPU without a Vulkan driver: install the one of its vendor and libvulkan1',
    );
  return advice;
}
