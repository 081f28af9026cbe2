/**
 * Plants the errors of plants.jsonl one by one into a copy of the build and runs the tests that
 * should catch them. Prints a table; exits 1 if one survives, or if a text to be replaced is not
 * there exactly once. Takes half an hour. Arguments pick plants by a part of their file's name or
 * of what is wrong then.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../src/util/root.js';

interface Plant {
  /** Compiled file below the build folder, without its ending. */
  readonly file: string;
  /** Text that stands in it exactly once, and what is put in its place. */
  readonly find: string;
  readonly replace: string;
  /** What is wrong then. */
  readonly why: string;
  /** test/NAME.test.ts: run in this order until one fails. */
  readonly tests: readonly string[];
}

const plants = readFileSync(join(packageRoot, 'test/planted/plants.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line): Plant => {
    const [file, find, replace, why, ...tests] = JSON.parse(line);
    return { file, find, replace, why, tests };
  });

/** Limit for a test without a planted error. The machine may be busy. */
const TIMEOUT_MS = 900_000;
/** Limit for a test with a planted error, which may turn a loop into an endless one. */
const plantedTimeout = (usualMs: number): number => 60_000 + Math.ceil(4 * usualMs);

/** Copies the build beside links to all that the tests read; returns the build's folder in it. */
function copyBuild(to: string): string {
  const build = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const copy = join(to, 'dist');
  for (const folder of ['src', 'test']) {
    const fixtures = `${sep}fixtures`;
    cpSync(join(build, folder), join(copy, folder), {
      recursive: true,
      filter: path => !path.endsWith(fixtures) && !path.endsWith('.map'),
    });
  }
  // what the examples import
  mkdirSync(join(copy, 'bundle'));
  writeFileSync(join(copy, 'bundle', 'index.js'), "export * from '../src/index.js';\n");
  mkdirSync(join(to, 'test'));
  for (const name of ['node_modules', 'package.json', 'schemas', 'configs', 'src', 'test/fixtures']) {
    symlinkSync(join(packageRoot, name), join(to, name));
  }
  return copy;
}

/** The compiled file of a test, in whichever folder it is. */
function testFile(build: string, test: string): string {
  const files = readdirSync(join(build, 'test'), { recursive: true, encoding: 'utf8' });
  const file = files.find(path => basename(path) === `${test}.test.js`);
  if (!file) throw new Error(`no test is called ${test}`);
  return join(build, 'test', file);
}

/** Null if the test passes; else its first failure. */
function failure(build: string, test: string, timeout: number): string | null {
  const { status, stdout, error } = spawnSync(process.execPath, [testFile(build, test)], {
    encoding: 'utf8',
    timeout,
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 28,
    env: { ...process.env, TAP_BAIL: '1', TAP_TIMEOUT: `${timeout / 1000}` },
  });
  if (error) return `${test}: never ended (${error.message})`;
  if (status === 0) return null;
  const [, name] = /^\s*not ok \d+ - (.*?)(?: \{ seed| # |$)/m.exec(stdout) ?? [];
  return `${test}: ${name?.slice(0, 70) ?? 'did not start'}`;
}

/**
 * The first failure of the tests with the error in place; null if they pass.
 * @param usual milliseconds that each test takes without it
 */
function caughtBy(
  build: string,
  { file, find, replace, tests }: Plant,
  usual: ReadonlyMap<string, number>,
): string | null {
  const path = join(build, `${file}.js`);
  const before = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    before.replace(find, () => replace),
  );
  try {
    for (const test of tests) {
      const caught = failure(build, test, plantedTimeout(usual.get(test) ?? TIMEOUT_MS));
      if (caught) return caught;
    }
    return null;
  } finally {
    writeFileSync(path, before);
  }
}

function main(build: string): boolean {
  const wanted = process.argv.slice(2);
  const chosen = plants.filter(
    ({ file, why }) => wanted.length === 0 || wanted.some(part => file.includes(part) || why.includes(part)),
  );
  const missing = chosen.filter(
    ({ file, find }) => readFileSync(join(build, `${file}.js`), 'utf8').split(find).length !== 2,
  );
  for (const { file, find } of missing) console.log(`NOT FOUND ONCE  ${file}: ${find}`);
  const usual = new Map<string, number>();
  let isBroken = false;
  for (const test of new Set(chosen.flatMap(({ tests }) => tests))) {
    const began = performance.now();
    const caught = failure(build, test, TIMEOUT_MS);
    usual.set(test, performance.now() - began);
    if (caught === null) continue;
    isBroken = true;
    console.log(`FAILS ALREADY   ${caught}`);
  }
  if (missing.length > 0 || isBroken) return false;
  let survivors = 0;
  chosen.forEach((plant, i) => {
    const caught = caughtBy(build, plant, usual);
    if (!caught) survivors++;
    const place = plant.file.replace('src/', '');
    console.log(
      `${`${i + 1}`.padStart(3)}  ${place.padEnd(24)} ${plant.why.padEnd(64)} ${caught ?? 'SURVIVED'}`,
    );
  });
  console.log(`${chosen.length - survivors} of ${chosen.length} planted errors were caught`);
  return survivors === 0;
}

const folder = mkdtempSync(join(tmpdir(), 'cellrun-planted-'));
try {
  process.exitCode = main(copyBuild(folder)) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
