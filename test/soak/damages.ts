/**
 * Random damage of a finished run: flipped bits, cut files, exchanged files, lost lines. A review
 * must find each that changes what it vouches for: every file that the run wrote, but for the
 * fields of the log's last line other than the summary's digest.
 */
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { reviewRuns } from '../../src/judge/judging/review.js';
import { RandomStream } from '../../src/util/random.js';
import type { Workplace } from '../support/cli.js';
import { longerConfig, randomDataset, train } from '../support/runs.js';
import type { Extent, Figures } from './figures.js';

/** Directories of two finished runs with files of the same names. */
export async function finishedRuns(work: Workplace): Promise<[run: string, other: string]> {
  const data = work.file('data.npz', randomDataset('soak/damages', { train: 64, test: 20, seed: 1 }));
  const gates = [{ metric: 'test.loss', beats: 'trivial', over: 'seeds' }];
  const config = { ...longerConfig(data, 3), name: 'sound', gates };
  const run = await train(work, config);
  const other = await train(work, { ...config, seed: 7, optimizer: { kind: 'adam', learning_rate: 0.05 } });
  return [run.summary.directory, other.summary.directory];
}

interface Damaged {
  readonly what: string;
  readonly files: Readonly<Record<string, Buffer>>;
}

/** Damages a copy of `run` in the empty `folder`, also with files of the run `other`. */
export function tryDamages(
  [run, other]: readonly [run: string, other: string],
  folder: string,
  { seed, cases }: Pick<Extent, 'seed' | 'cases'>,
): Figures & { readonly found: number } {
  const names = readdirSync(run, { recursive: true, encoding: 'utf8' })
    .filter(name => statSync(join(run, name)).isFile())
    .sort();
  const original = new Map(names.map(name => [name, readFileSync(join(run, name))]));
  const copy = join(folder, 'damaged');
  cpSync(run, copy, { recursive: true });
  const sound = reviewed(copy);
  const failures: string[] = [];
  let found = 0;
  for (let number = 0; number < cases; number++) {
    const random = RandomStream.of(seed, `soak/damages/${number}`);
    const { what, files } = damage(random, original, other);
    for (const [name, content] of Object.entries(files)) writeFileSync(join(copy, name), content);
    const now = reviewed(copy);
    if (now.exitCode === 5) found += 1;
    else if (Object.entries(files).some(([name, content]) => isVouched(name, original.get(name), content)))
      failures.push(`${number}: ${what}: exit ${now.exitCode}`);
    else if (now.document !== sound.document) failures.push(`${number}: ${what}: another review`);
    for (const name of Object.keys(files)) writeFileSync(join(copy, name), original.get(name) ?? '');
  }
  rmSync(copy, { recursive: true });
  return { what: 'a finished run', cases, failures, found, note: `${found} found` };
}

function reviewed(directory: string): { readonly exitCode: number; readonly document: string } {
  const { review } = reviewRuns([directory], { gates: [] });
  return { exitCode: review.exit_code, document: JSON.stringify(review) };
}

function isVouched(name: string, before: Buffer | undefined, now: Buffer): boolean {
  if (before === undefined || before.equals(now)) return false;
  if (name !== 'log.jsonl') return true;
  const end = before.lastIndexOf(0x0a, before.length - 2) + 1;
  return !before.subarray(0, end).equals(now.subarray(0, end));
}

function damage(random: RandomStream, files: ReadonlyMap<string, Buffer>, other: string): Damaged {
  const names = [...files.keys()];
  const name = names[random.integer(names.length)];
  const content = files.get(name) ?? Buffer.alloc(0);
  switch (random.integer(4)) {
    case 0: {
      const [at, bit] = [random.integer(content.length), random.integer(8)];
      const flipped = Buffer.from(content);
      flipped[at] ^= 1 << bit;
      return { what: `bit ${bit} of byte ${at} of ${name}`, files: { [name]: flipped } };
    }
    case 1: {
      const length = random.integer(content.length);
      return { what: `${name} cut to ${length} bytes`, files: { [name]: content.subarray(0, length) } };
    }
    case 2: {
      const second = names[random.integer(names.length)];
      if (second !== name)
        return {
          what: `${name} and ${second} exchanged`,
          files: { [name]: files.get(second) ?? content, [second]: content },
        };
      return { what: `${name} of another run`, files: { [name]: readFileSync(join(other, name)) } };
    }
    default: {
      const lines = content.toString('latin1').split(/(?<=\n)/);
      const at = random.integer(lines.length);
      const left = lines.filter((_, i) => i !== at).join('');
      return { what: `line ${at + 1} of ${name} lost`, files: { [name]: Buffer.from(left, 'latin1') } };
    }
  }
}
