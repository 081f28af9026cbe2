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
import { isPlaced, type Plant, plants } from './plants.js';

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

/** How long each test takes without an error, in milliseconds; null if it fails already. */
const usual = new Map<string, number | null>();

function usualTime(build: string, test: string): number | null {
  const known = usual.get(test);
  if (known !== undefined) return known;
  const began = performance.now();
  const caught = failure(build, test, TIMEOUT_MS);
  const took = caught === null ? performance.now() - began : null;
  if (took === null) console.log(`FAILS ALREADY   ${caught}`);
  usual.set(test, took);
  return took;
}

/** The first failure of the tests with the error in place; null if none of them finds it. */
function caughtBy(build: string, { file, find, replace, tests }: Plant): string | null {
  const path = join(build, `${file}.js`);
  const before = readFileSync(path, 'utf8');
  for (const test of tests) {
    const time = usualTime(build, test);
    if (time === null) continue;
    writeFileSync(
      path,
      before.replace(find, () => replace),
    );
    try {
      const caught = failure(build, test, plantedTimeout(time));
      if (caught) return caught;
    } finally {
      writeFileSync(path, before);
    }
  }
  return null;
}

function main(build: string): boolean {
  const wanted = process.argv.slice(2);
  const chosen = plants.filter(
    ({ file, why }) => wanted.length === 0 || wanted.some(part => file.includes(part) || why.includes(part)),
  );
  let survivors = 0;
  chosen.forEach((plant, i) => {
    const caught = isPlaced(build, plant) ? caughtBy(build, plant) : null;
    if (!caught) survivors++;
    const place = plant.file.replace('src/', '');
    const verdict = caught ?? (isPlaced(build, plant) ? 'SURVIVED' : 'NOT FOUND ONCE');
    console.log(`${`${i + 1}`.padStart(3)}  ${place.padEnd(24)} ${plant.why.padEnd(64)} ${verdict}`);
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
