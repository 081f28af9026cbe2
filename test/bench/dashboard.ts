/**
 * How long the dashboard lets one wait: for a list of thousands of runs, for the curves of a long
 * one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../../src/util/root.js';
import { logLines, makeRun } from '../support/dashboard.js';
import { inFolder } from './programs.js';
import type { Figure } from './results.js';
import { spreadOf } from './results.js';

const RUNS = 5_000;
const EXPERIMENTS = 50;
const STEPS = 100_000;
const STEPS_PER_EPOCH = 1_000;
const program = join(packageRoot, 'dist', 'src', 'cli', 'main.js');

/** Each round in a server of its own, which has read nothing; files are in the system's memory. */
export function measureList(rounds: number): Promise<Figure[]> {
  return inFolder(root => measureListIn(root, rounds));
}

async function measureListIn(root: string, rounds: number): Promise<Figure[]> {
  const log = logLines(2, 3);
  for (let i = 0; i < RUNS; i++) {
    const id = `20260131T${String(i).padStart(6, '0')}Z-00000000`;
    makeRun(root, { name: `experiment-${i % EXPERIMENTS}`, id, status: 'completed', log });
  }
  const first: number[] = [];
  const again: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    await withServer(root, async url => {
      await read(`${url}api/list`);
      first.push((performance.now() - began) / 1000);
      again.push(await secondsOf(`${url}api/list`));
    });
  }
  return [
    {
      id: 'dashboard/list',
      what: `start of serve to a list of ${RUNS} runs`,
      unit: 's',
      ours: spreadOf(first),
    },
    { id: 'dashboard/list-again', what: `the same list again`, unit: 's', ours: spreadOf(again) },
  ];
}

export function measureRun(rounds: number): Promise<Figure> {
  return inFolder(root => measureRunIn(root, rounds));
}

async function measureRunIn(root: string, rounds: number): Promise<Figure> {
  const id = '20260131T000000Z-00000000';
  makeRun(root, {
    name: 'long',
    id,
    status: 'completed',
    log: logLines(STEPS / STEPS_PER_EPOCH, STEPS_PER_EPOCH),
  });
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round++)
    await withServer(root, async url => {
      seconds.push(await secondsOf(`${url}api/runs/long/${id}`));
    });
  return {
    id: 'dashboard/run',
    what: `document of a run of ${STEPS} steps`,
    unit: 's',
    ours: spreadOf(seconds),
  };
}

async function withServer(root: string, use: (url: string) => Promise<void>): Promise<void> {
  const server = spawn(process.execPath, [program, 'serve', root, '--json', '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await use(await addressOf(server));
  } finally {
    server.kill('SIGTERM');
    await once(server, 'exit');
  }
}

async function addressOf({ stdout }: ChildProcess): Promise<string> {
  if (stdout !== null)
    for await (const line of createInterface({ input: stdout }))
      return (JSON.parse(line) as { url: string }).url;
  throw new Error('the server ended without an address');
}

async function secondsOf(url: string): Promise<number> {
  const began = performance.now();
  await read(url);
  return (performance.now() - began) / 1000;
}

async function read(url: string): Promise<void> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  await response.text();
}
