/**
 * `npm test [-- NAME ...] [--jobs=N] [--tap]`: runs test files, all of them or those named. A NAME
 * is `resume`, `test/train/resume.test.ts`, `test/train`, or the first word of several files
 * if no file has it as its name. `--quick` runs the files that import `./support/quick.js`. Prints
 * a line for each file and what failed in it; `--tap` prints everything. Exit code: 0, 1 if a test
 * failed, 2 for a wrong command line.
 *
 * Flags of Node hold for all files, such as `--no-liftoff`. Files run in plain Node, two at a time.
 * The runner of tap loads a TypeScript compiler and coverage into each of them and into all
 * programs that they start, which takes longer than most files do.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../src/util/root.js';
import {
  everything,
  type FileResult,
  failuresOnly,
  runFile,
  selectTests,
  totals,
} from './support/test-files.js';

const sources = join(packageRoot, 'test');
/** That of the program, see `src/cli/main.ts`. */
const compileCache = join(packageRoot, 'dist', '.cache');
// the sources count, since an earlier build may have left files in dist/ that have no source any
// more
const files = readdirSync(sources, { recursive: true, encoding: 'utf8' })
  .flatMap(file => (file.endsWith('.test.ts') ? [file.slice(0, -'.test.ts'.length)] : []))
  .sort();

function usage(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function options() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        tap: { type: 'boolean', default: false },
        jobs: { type: 'string', default: '2' },
      },
    });
    const jobs = Number(values.jobs);
    if (!Number.isInteger(jobs) || jobs < 1) usage(`--jobs needs a whole number from 1, not ${values.jobs}`);
    return { ...values, jobs, wanted: positionals };
  } catch (error) {
    return usage((error as Error).message);
  }
}

function textOf(file: string): string {
  return readFileSync(join(sources, `${file}.test.ts`), 'utf8');
}

function isMarkedQuick(file: string): boolean {
  return /^import '\.{1,2}\/support\/quick\.js';$/m.test(textOf(file));
}

/**
 * Node 22 and later keep compiled code from one file to the next, except for files that count
 * blocks: V8 counts none in code from a cache.
 */
function compileCacheOf(file: string): Record<string, string> {
  const countsSteps = /\/support\/steps\.js'/.test(textOf(file));
  return countsSteps ? { NODE_DISABLE_COMPILE_CACHE: '1' } : { NODE_COMPILE_CACHE: compileCache };
}

const { quick, tap, jobs, wanted } = options();
const { selected, unknown } = selectTests(
  files.filter(file => !quick || isMarkedQuick(file)),
  wanted,
);
if (unknown.length > 0)
  usage(
    `no ${quick ? 'quick ' : ''}test is called ${unknown.join(', ')}; there are ${files.map(file => basename(file)).join(', ')}`,
  );

/** Files that run longest, so that none of them is left alone at the end. */
const LONGEST =
  'engine key-effects exports modules folds fuzz docs report-page live-model dashboard-page device kills web repeat tables';
const longest = selectTests(files, LONGEST.split(' ')).selected;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

const results: FileResult[] = [];
const waiting = [
  ...selected.filter(file => longest.includes(file)),
  ...selected.filter(file => !longest.includes(file)),
];

async function work(): Promise<void> {
  for (let file = waiting.shift(); file !== undefined && !stop.signal.aborted; file = waiting.shift()) {
    const path = join('dist', 'test', `${file}.test.js`);
    const result = await runFile(path, stop.signal, compileCacheOf(file));
    results.push(result);
    process.stdout.write((tap ? everything : failuresOnly)(result, results.length));
  }
}

process.stdout.write(`TAP version 14\n1..${selected.length}\n`);
await Promise.all(Array.from({ length: jobs }, work));
process.stdout.write(totals(results));
process.exitCode = results.length === selected.length && results.every(({ isOk }) => isOk) ? 0 : 1;
