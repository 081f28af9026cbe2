/**
 * `npm run soak`: the long form of the tests of faults, fuzz, kills, invariants and kernels. One
 * table on stdout, failures on stderr. Exit codes: 0, 1 on any failure, 2 for wrong arguments.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chooseBackend } from '../src/engine/backend.js';
import { missingFor512 } from '../src/engine/width.js';
import { EXIT } from '../src/util/errors.js';
import { renderTable } from './bench/table.js';
import { tryExports } from './soak/exports.js';
import { injectFaults } from './soak/faults.js';
import type { Extent, Figures } from './soak/figures.js';
import { flipCheckpoint, flipIndex } from './soak/flips.js';
import { boundedFuzz, TARGETS } from './soak/fuzz.js';
import { casesOf } from './soak/fuzz-target.js';
import { HOSTILE, tryHostile } from './soak/hostile.js';
import { createWorld, DATASET_NAMES, trySequences } from './soak/invariants.js';
import { inOwnProcess } from './soak/killable.js';
import { growth, sampleMemory } from './soak/memory.js';
import { tryPages } from './soak/pages.js';
import { wrongProducts } from './soak/products.js';
import { SCENARIOS } from './soak/scenarios.js';
import { tryModelsOfSequences } from './soak/sequences.js';
import { compareSignals } from './soak/signals.js';
import { killsAtEveryStep, killsAtSeams, manyKills, manySignals } from './soak/stops.js';
import { manySweepKills } from './soak/sweep-kills.js';
import { longTests } from './soak/tests.js';
import { Workplace } from './support/cli.js';

interface Given extends Extent {
  readonly from: number;
  readonly target: string | undefined;
  /** An empty folder, another one each time. */
  readonly folder: string;
  readonly work: Workplace;
}

interface Part {
  /** Default of `--cases`; 0 if it is not a matter of choice. */
  readonly cases: number;
  run(given: Given): AsyncGenerator<Figures> | Promise<Figures> | Figures;
}

const PARTS: Readonly<Record<string, Part>> = {
  faults: {
    cases: 0,
    async *run({ folder }) {
      for (const scenario of SCENARIOS) yield injectFaults(scenario, folder, { twice: true });
    },
  },
  flips: {
    cases: 0,
    async *run({ folder }) {
      yield flipCheckpoint(join(folder, 'checkpoint'));
      yield flipIndex(join(folder, 'index'));
    },
  },
  fuzz: {
    cases: 100_000,
    async *run({ cases, from, target, seed }) {
      const chosen = TARGETS.filter(({ name }) => target === undefined || name === target);
      if (chosen.length === 0) throw wrong('target', target, TARGETS.map(({ name }) => name).join(', '));
      for (const one of chosen) yield boundedFuzz(one.name, seed, casesOf(one, cases), from);
    },
  },
  exports: { cases: 200, run: ({ work, ...extent }) => tryExports(work, extent) },
  pages: {
    cases: 20,
    run: ({ cases, from, seed, work }) =>
      tryPages(
        work,
        seed,
        Array.from({ length: cases }, (_, i) => from + i),
      ),
  },
  hostile: { cases: 0, run: ({ folder }) => tryHostile(HOSTILE, folder) },
  kills: { cases: 1000, run: ({ folder, ...extent }) => manyKills(folder, extent, inOwnProcess) },
  seams: { cases: 0, run: ({ folder, ...extent }) => killsAtSeams(folder, extent, inOwnProcess) },
  'every-step': {
    cases: 200,
    run: ({ folder, ...extent }) => killsAtEveryStep(folder, extent, inOwnProcess),
  },
  signals: { cases: 300, run: ({ folder, ...extent }) => manySignals(folder, extent, inOwnProcess) },
  sweeps: { cases: 50, run: ({ folder, ...extent }) => manySweepKills(folder, extent, 'trials') },
  folds: { cases: 20, run: ({ folder, ...extent }) => manySweepKills(folder, extent, 'folds') },
  invariants: {
    cases: 10_000,
    /** A hundred at a time, each of a seed of its own, so that a failure is found again soon. */
    async *run({ cases, seed, work }) {
      const worlds = [];
      for (const name of DATASET_NAMES) worlds.push(await createWorld(work, name));
      try {
        for (let part = 0; 100 * part < cases; part++) {
          const count = Math.min(100, cases - 100 * part);
          yield await trySequences(worlds[part % worlds.length], count, seed + part);
        }
      } finally {
        for (const world of worlds) world.end();
      }
    },
  },
  features: { cases: 200, run: ({ cases, seed }) => compareSignals(cases, seed) },
  products: {
    cases: 10_000,
    async *run({ cases, seed }) {
      for (const width of [128, 256, 512] as const) {
        const note = width === 512 ? missingFor512() : undefined;
        if (note !== undefined) {
          yield { what: `webasm, ${width} bits`, cases: 0, failures: [], note };
          continue;
        }
        const failures = await wrongProducts('webasm', { cases, seed, width });
        yield { what: `webasm, ${width} bits`, cases, failures };
      }
      const choice = await chooseBackend('webgpu').catch(() => undefined);
      const failures = choice ? await wrongProducts('webgpu', { cases, seed }) : [];
      const note = choice ? choice.adapter?.description : 'no adapter';
      yield { what: 'webgpu', cases: choice ? cases : 0, failures, ...(note !== undefined && { note }) };
    },
  },
  tests: { cases: 0, run: () => longTests(new AbortController().signal) },
  sequences: { cases: 200, run: ({ cases, seed, work }) => tryModelsOfSequences(work, cases, seed) },
  memory: {
    cases: 0,
    async run({ folder }) {
      const samples = await sampleMemory(folder, 1_000, 10_000);
      return { what: 'after steps', cases: samples.length, failures: growth(samples) };
    },
  },
};

const NAMES = Object.keys(PARTS);

const HELP = `Usage: npm run soak -- [options]

Tries to lose what a run has written and to break every reader; prints one table of figures, exits 1 on any failure.

  --parts LIST     which of ${NAMES.join(',')} (default: all of them)
  --cases N        cases of each part (default: ${NAMES.filter(name => PARTS[name].cases > 0)
    .map(name => `${name} ${PARTS[name].cases}`)
    .join(', ')})
  --from N         of fuzz, exports and pages: number of the first case (default 0)
  --target NAME    of fuzz: only this reader, such as npz or config.yaml
  --seed N         other damage, other moments (default 1)
  --jobs N         runs at a time (default 2)
`;

function wrong(option: string, value: unknown, expected: string): Error {
  return new Error(`--${option} is '${value}'; expected: ${expected}`);
}

function parse(args: readonly string[]) {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      parts: text(NAMES.join(',')),
      cases: { type: 'string' },
      from: text('0'),
      target: { type: 'string' },
      seed: text('1'),
      jobs: text('2'),
    },
  });
  const whole = (name: 'cases' | 'from' | 'seed' | 'jobs'): number => {
    if (!/^\d{1,9}$/.test(values[name] ?? '')) throw wrong(name, values[name], 'a whole number');
    return Number(values[name]);
  };
  const parts = values.parts.split(',');
  if (!parts.every(name => name in PARTS)) throw wrong('parts', values.parts, `some of ${NAMES.join(',')}`);
  const { help, target } = values;
  const cases = values.cases === undefined ? undefined : whole('cases');
  return { help, parts, target, cases, from: whole('from'), seed: whole('seed'), jobs: whole('jobs') };
}

async function main(args: readonly string[]): Promise<number> {
  const { help, parts, cases, ...options } = parse(args);
  if (help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const root = mkdtempSync(join(tmpdir(), 'cellrun-soak-'));
  const work = new Workplace();
  const rows: string[][] = [];
  let failed = 0;
  try {
    for (const name of parts) {
      const folder = join(root, name);
      mkdirSync(folder);
      const found = PARTS[name].run({ ...options, cases: cases ?? PARTS[name].cases, folder, work });
      for await (const figures of Symbol.asyncIterator in found ? found : [found]) {
        failed += figures.failures.length;
        rows.push(rowOf(name, figures));
      }
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
    work.remove();
  }
  const head = ['', 'cases', 'failed', 'slowest ms', 'peak MiB', ''];
  process.stdout.write(renderTable({ head, rows }, false));
  return failed > 0 ? EXIT.unexpected : EXIT.done;
}

function rowOf(name: string, { what, cases, failures, slowestMs, peakMb, note = '' }: Figures): string[] {
  process.stderr.write(`${name}: ${what}: ${cases} cases, ${failures.length} failed\n`);
  for (const failure of failures.slice(0, 10)) process.stderr.write(`  ${failure}\n`);
  const rounded = (value: number | undefined) => value?.toFixed(0) ?? '';
  return [`${name}: ${what}`, `${cases}`, `${failures.length}`, rounded(slowestMs), rounded(peakMb), note];
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n${HELP}`);
  process.exitCode = EXIT.usage;
}
