/** Exported models: a step of a session over onnxruntime-web, and requests to a service. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { RandomStream } from '../../src/util/random.js';
import { chromiumMissing, openPage, startChromium } from '../support/browser.js';
import { peersFolder } from './contenders.js';
import { inFolder, launcher, runProgram, trainedRun } from './programs.js';
import { type Figure, ratioOf, spreadOf } from './results.js';

type Note = (text: string) => void;

/** Trains a small classifier of random sequences for an epoch. */
function randomRun(
  folder: string,
  sizes: { readonly width: number; readonly steps: number },
  parts: { readonly model: object; readonly training?: object },
) {
  const random = RandomStream.of(0, 'bench/exported');
  const row = () => Array.from({ length: sizes.width }, () => Number(random.normal().toFixed(4)));
  const line = (_: unknown, i: number) =>
    `${JSON.stringify({ x: Array.from({ length: sizes.steps }, row), y: 'abcdefghij'[i % 10] })}\n`;
  const path = join(folder, 'data.jsonl');
  writeFileSync(path, Array.from({ length: 100 }, line).join(''));
  const classes = { input: 'x', input_kind: 'number', target: 'y', target_kind: 'class' };
  return trainedRun(folder, {
    dataset: { kind: 'jsonl', path, test_fraction: 0.2, ...classes },
    model: { num_layers: 2, ...parts.model },
    training: { num_epochs: 1, batch_size: 20, ...parts.training },
  });
}

const SCRIPT = 'session_steps.mjs';
/** Of onnxruntime-web, without WebGPU. */
const RUNTIMES = { node: 'ort.node.min.mjs', chromium: 'ort.wasm.min.mjs' };

/**
 * A step of a session in Node and in Chromium.
 * @param modules the folder in which onnxruntime-web is installed
 */
export function measureSteps(rounds: number, modules: string | undefined, note: Note): Promise<Figure[]> {
  const runtime = modules && join(modules, 'node_modules/onnxruntime-web/dist');
  const missing =
    runtime === undefined
      ? 'no --onnxruntime'
      : existsSync(runtime)
        ? undefined
        : `${runtime} does not exist`;
  if (runtime === undefined || missing !== undefined) {
    note(`whole/session is not measured: ${missing}`);
    return Promise.resolve([]);
  }
  return inFolder(async folder => {
    const run = await randomRun(
      folder,
      { width: 28, steps: 5 },
      { model: { cell: 'lstm', hidden_size: 128 }, training: { shuffle: false, carry_state: true } },
    );
    for (const format of ['js', 'onnx'])
      await runProgram(launcher, ['export', run, '--format', format, '-o', folder]);
    const graph = join(folder, 'model.onnx');
    const { measure } = await import(pathToFileURL(join(peersFolder, SCRIPT)).href);
    const address = (file: string) => pathToFileURL(file).href;
    const times: Record<string, [number[], number[]]> = {
      Node: await measure({
        module: address(join(folder, 'model.js')),
        runtime: address(join(runtime, RUNTIMES.node)),
        graph: readFileSync(graph),
        rounds,
      }),
    };
    const lacks = chromiumMissing();
    if (lacks === undefined)
      times.Chromium = await inChromium([folder, runtime, peersFolder], codeFor(rounds));
    else note(`whole/session in Chromium is not measured: ${lacks}`);
    return Object.entries(times).map(
      ([host, [ours, theirs]]): Figure => ({
        id: `whole/session-${host.toLowerCase()}`,
        what: `a step of a session in ${host}, two LSTM layers of 128 units`,
        unit: 'ms',
        ours: spreadOf(ours),
        other: { name: 'onnxruntime-web, one thread', value: spreadOf(theirs) },
        ratio: ratioOf(ours, theirs),
      }),
    );
  });
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html',
  css: 'text/css',
  wasm: 'application/wasm',
  onnx: 'application/octet-stream',
};

const codeFor = (rounds: number) => `
  const { measure } = await import('/${SCRIPT}');
  const graph = new Uint8Array(await (await fetch('/model.onnx')).arrayBuffer());
  return measure({ module: '/model.js', runtime: '/${RUNTIMES.chromium}', graph, rounds: ${rounds} });`;

/** Starts the thread of a site as its page does: code before one that uses `trainer` and `site`. */
export const START_TRAINER = `
  for (const src of ['/trainer.js', '/site.js'])
    await new Promise(resolve => {
      const script = document.createElement('script');
      Object.assign(script, { src, onload: resolve });
      document.head.append(script);
    });
  const trainer = new Worker(URL.createObjectURL(new Blob([cellrunTrainer])));
  const site = cellrunSite;`;

/** What `code` returns in an empty page of a server of the files of `folders`. */
export function inChromium<T>(folders: readonly string[], code: string): Promise<T> {
  return onPage('', folders, page => page.evaluate(`(async () => { ${code} })()`));
}

/**
 * What `use` returns for a page of a server of the files of `folders`.
 * @param name of the page; '' for an empty one
 * @param headers of each response
 */
export async function onPage<T>(
  name: string,
  folders: readonly string[],
  use: (page: Page) => Promise<T>,
  headers: Readonly<Record<string, string>> = {},
): Promise<T> {
  const server = createServer((request, response) => {
    const name = request.url?.slice(1) ?? '';
    const path = folders.map(folder => join(folder, name)).find(one => name !== '' && existsSync(one));
    const type = name === '' ? 'text/html' : (TYPES[name.split('.').at(-1) ?? ''] ?? 'text/javascript');
    response.writeHead(path || name === '' ? 200 : 404, { ...headers, 'Content-Type': type });
    response.end(path && readFileSync(path));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const browser = await startChromium();
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`;
    const { page } = await openPage(browser, url);
    return await use(page);
  } finally {
    await browser.close();
    server.close();
  }
}

/** Clients; each sends its next request as soon as it has a response. */
const CONNECTIONS = 16;
/** In each round, of each server. */
const SECONDS = 2;

/**
 * Time per request of `serve --predict`, and its percentiles.
 * @param python undefined: nothing is compared
 */
export function measureServing(
  threads: number,
  rounds: number,
  python: string | undefined,
  note: Note,
): Promise<Figure[]> {
  return inFolder(async folder => {
    const sizes = { width: 8, steps: 30 };
    const run = await randomRun(folder, sizes, { model: { cell: 'gru', hidden_size: 64 } });
    const steps = Array.from({ length: sizes.steps }, (_, t) =>
      Array.from({ length: sizes.width }, (_, i) => Number(Math.sin(t * sizes.width + i).toFixed(4))),
    );
    const servers = [
      await Served.start(launcher, ['serve', run, '--predict', '--port', '0', '--threads', `${threads}`]),
    ];
    try {
      if (python !== undefined) {
        await runProgram(launcher, ['export', run, '--format', 'pytorch', '-o', folder]);
        const peer = [join(peersFolder, 'torch_server.py'), folder, '--processes', `${threads}`];
        const found = await Served.start(python, peer).catch((error: Error) => error);
        if (found instanceof Error) note(`whole/serving: PyTorch is not measured: ${found.message}`);
        else servers.push(found);
      }
      const body = JSON.stringify({ steps });
      const found = servers.map((): number[][] => []);
      for (const server of servers) await server.load(body);
      for (let round = 0; round < rounds; round++)
        for (const [i, server] of servers.entries()) found[i].push(await server.load(body));
      const figure = (id: string, what: string, of: (times: readonly number[]) => number): Figure => {
        const [ours, theirs] = found.map(all => all.map(of));
        return {
          ...{ id, what: `${what} of serve --predict, two GRU layers of 64 units, ${sizes.steps} steps` },
          ...{ unit: 'ms', ours: spreadOf(ours) },
          ...(theirs && {
            other: { name: `PyTorch, ${threads} processes`, value: spreadOf(theirs) },
            ratio: ratioOf(ours, theirs),
          }),
        };
      };
      const at = (share: number) => (times: readonly number[]) => times[Math.floor(share * times.length)];
      return [
        figure('whole/serving', 'time per request', ({ length }) => (1000 * SECONDS) / length),
        figure('whole/serving-p50', 'median latency', at(0.5)),
        figure('whole/serving-p99', '99th percentile of the latency', at(0.99)),
      ];
    } finally {
      for (const server of servers) server.stop();
    }
  });
}

/** A server that runs until it is stopped. It prints its address first. */
class Served {
  private constructor(
    private readonly child: ReturnType<typeof spawn>,
    private readonly url: URL,
  ) {}

  static async start(program: string, args: readonly string[]): Promise<Served> {
    // ends with the processes that it starts
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    for await (const line of createInterface(child.stdout!)) return new Served(child, new URL(line));
    throw new Error(`${program} ended`);
  }

  stop(): void {
    process.kill(-(this.child.pid as number));
  }

  /** Returns the milliseconds of all requests, in ascending order. */
  async load(body: string): Promise<number[]> {
    const { host, hostname, port } = this.url;
    const request = `POST /predict HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const times: number[] = [];
    const until = performance.now() + 1000 * SECONDS;
    const client = async () => {
      const socket = connect(Number(port), hostname).setNoDelay().setEncoding('latin1');
      let [text, began] = ['', performance.now()];
      socket.write(request);
      for await (const part of socket) {
        text += part;
        const [head] = text.split('\r\n\r\n', 1);
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
        if (text.length < head.length + 4 + length) continue;
        if (!head.startsWith('HTTP/1.1 200')) throw new Error(text);
        const now = performance.now();
        if (now > until) break;
        times.push(now - began);
        [text, began] = ['', now];
        socket.write(request);
      }
      socket.destroy();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, client));
    return times.sort((a, b) => a - b);
  }
}
