import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../src/util/root.js';
import { type BenchCase, flopsOf } from './cases.js';
import { Child, type Command, ContenderError } from './child.js';
import type { Hello } from './protocol.js';

export const OURS = 'cellrun';
/** PyTorch otherwise than as it comes; which one is the fastest depends on sizes and build. */
const TORCH_VARIANTS = ['PyTorch without oneDNN', 'PyTorch compiled'] as const;

/** What a GPU is compared with. */
const BESIDE_GPU = ['webasm', 'PyTorch with CUDA'] as const;

export const OTHERS = [
  ...(['other build', 'gpu.js', 'PyTorch'] as const),
  ...TORCH_VARIANTS,
  'TensorFlow.js',
  ...BESIDE_GPU,
] as const;
export type Other = (typeof OTHERS)[number];
export type ContenderName = typeof OURS | Other;

export interface PeerOptions {
  readonly against: string | undefined;
  /** Whether to measure PyTorch and TensorFlow.js too. */
  readonly peers: boolean;
  readonly torchVariants: boolean;
  readonly python: string;
  /** The folder in which TensorFlow.js was installed; undefined: it is not measured. */
  readonly tfjs: string | undefined;
  /** Whether to measure webgpu instead, and what it is compared with. */
  readonly gpu: boolean;
}

interface Contender {
  readonly name: ContenderName;
  command(threads: number): Command;
  /** GFLOP/s of one thread, roughly, where it is slow enough to be spared the large cases. */
  readonly rate?: number;
}

/** A contender whose single call would take longer than this is left out of a case. */
const LONGEST_CALL_S = 6;

export const peersFolder = join(packageRoot, 'test/bench/peers');

/** The contender that the checkout `folder` has been built with. */
export function contenderOf(folder: string): string {
  return resolve(folder, 'dist/test/bench/contenders/cellrun.js');
}

export function contenders({ against, peers, torchVariants, python, tfjs, gpu }: PeerOptions): Contender[] {
  const script = (name: string) => fileURLToPath(new URL(`./contenders/${name}.js`, import.meta.url));
  const node = (...given: string[]): Command => ({ program: process.execPath, arguments: given });
  const torch = (name: Other, ...flags: string[]): Contender => ({
    name,
    command: threads => ({
      program: python,
      arguments: [join(peersFolder, 'torch_peer.py'), `${threads}`, ...flags],
    }),
  });
  if (gpu)
    return [
      { name: OURS, command: threads => node(script('cellrun'), `${threads}`, 'webgpu') },
      { name: 'webasm', rate: 60, command: threads => node(script('cellrun'), `${threads}`) },
      torch('PyTorch with CUDA', '--cuda'),
    ];
  const list: Contender[] = [
    { name: OURS, command: threads => node(script('cellrun'), `${threads}`) },
    {
      name: 'gpu.js',
      rate: 1.6,
      command: threads => node(script('cellrun'), `${threads}`, 'gpu.js'),
    },
  ];
  if (against !== undefined) {
    const command = (threads: number) => node(contenderOf(against), `${threads}`);
    list.push({ name: 'other build', command });
  }
  if (!peers) return list;
  list.push(torch('PyTorch'));
  if (torchVariants)
    list.push(torch('PyTorch without oneDNN', '--no-onednn'), torch('PyTorch compiled', '--compile'));
  if (tfjs === undefined) return list;
  const peer = node(join(peersFolder, 'tfjs_peer.cjs'), tfjs);
  return [...list, { name: 'TensorFlow.js', rate: 2, command: () => peer }];
}

/** Why `contender` is not measured on `one`, where that is known beforehand. */
export function sparedFrom({ rate }: Pick<Contender, 'rate'>, one: BenchCase): string | undefined {
  if (rate === undefined) return undefined;
  const seconds = flopsOf(one) / (rate * 1e9 * one.threads);
  return seconds > LONGEST_CALL_S ? `one call takes about ${Math.round(seconds)} s` : undefined;
}

/** Why a contender is not measured on `one`: its program has no such model, its library may. */
export function lacksModel({ models = ['lstm'] }: Hello, { model }: BenchCase): string | undefined {
  return models.includes(model) ? undefined : `its program in this benchmark has no ${model}`;
}

export interface Started {
  readonly contender: Contender;
  readonly child: Child;
  readonly hello: Hello;
}

/** Starts all of `list`; one that is not there is told through `absent`, and ours must be. */
export async function startAll(
  list: readonly Contender[],
  threads: number,
  absent: (name: ContenderName, reason: string) => void,
): Promise<Started[]> {
  const started: Started[] = [];
  for (const contender of list) {
    try {
      started.push({ contender, ...(await Child.start(contender.command(threads))) });
    } catch (error) {
      if (!(error instanceof ContenderError) || contender.name === OURS) throw error;
      absent(contender.name, error.message);
    }
  }
  return started;
}

/** Why TensorFlow.js can't be measured from `folder`; undefined where it seems to be there. */
export function missingTfjs(folder: string): string | undefined {
  const missing = ['tfjs', 'tfjs-backend-wasm'].filter(
    name => !existsSync(join(folder, 'node_modules/@tensorflow', name)),
  );
  return missing.length > 0
    ? `${missing.map(name => `@tensorflow/${name}`).join(' and ')} not there`
    : undefined;
}
