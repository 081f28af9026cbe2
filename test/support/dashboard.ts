/** Sends requests to a dashboard's server, like a browser or an attacker. */

import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Logger, openLogger } from '../../src/host/index.js';
import { type Dashboard, startDashboard } from '../../src/view/server/dashboard.js';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** @param path sent unchanged, without normalization */
export async function ask(
  url: string,
  path: string,
  { method = 'GET', headers = {}, body }: Asking = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const asking = request({ hostname, port, path, method, headers, agent: false });
  asking.end(body);
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}

/** Sends raw bytes. Returns everything received until the server closes the connection. */
export async function send(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.end(bytes);
  let text = '';
  socket.setEncoding('latin1').on('data', chunk => {
    text += chunk;
  });
  await new Promise(resolve => socket.once('close', resolve));
  return text;
}

export interface ServerEvent {
  readonly event: string;
  readonly data: unknown;
}

/** A page's connection for server-sent events. */
export class EventReader {
  readonly events: ServerEvent[] = [];
  private rest = '';
  private notify: () => void = () => {};

  private constructor(
    readonly status: number,
    private readonly response: IncomingMessage,
  ) {
    response.setEncoding('utf8').on('data', (text: string) => this.take(text));
    response.on('error', () => {});
  }

  static async open(url: string, path: string): Promise<EventReader> {
    const { hostname, port } = new URL(url);
    const asking = request({ hostname, port, path, agent: false });
    asking.on('error', () => {});
    asking.end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    return new EventReader(response.statusCode ?? 0, response);
  }

  /** Waits for the first event, from index `from`, that fits. */
  async next(fits: (event: ServerEvent) => boolean, from = 0): Promise<ServerEvent> {
    for (;;) {
      const found = this.events.slice(from).find(fits);
      if (found !== undefined) return found;
      await new Promise<void>(resolve => {
        this.notify = resolve;
      });
    }
  }

  close(): void {
    this.response.destroy();
  }

  private take(text: string): void {
    const blocks = (this.rest + text).split('\n\n');
    this.rest = blocks.pop() ?? '';
    for (const block of blocks) this.events.push(parsed(block));
    this.notify();
  }
}

function parsed(block: string): ServerEvent {
  const fields = new Map(
    block.split('\n').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  return { event: fields.get('event') ?? '', data: JSON.parse(fields.get('data') ?? 'null') };
}

/** Made-up lines of the log of `epochs` epochs with `perEpoch` steps. */
export function logLines(epochs: number, perEpoch: number): string[] {
  const lines: string[] = [];
  const add = (event: string, fields: object) =>
    lines.push(
      `${JSON.stringify({ level: 'info', time: new Date(Date.UTC(2026, 0, 31, 12, 0, lines.length)).toISOString(), v: 1, seq: lines.length, event, ...fields })}\n`,
    );
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for (let i = 1; i <= perEpoch; i++) {
      const step = (epoch - 1) * perEpoch + i;
      add('train.step', {
        epoch,
        step,
        loss: 2 / step,
        learning_rate: 0.01,
        grad_norm: 1 + (step % 7),
        samples_per_s: 900,
      });
    }
    const step = epoch * perEpoch;
    add('train.epoch', { epoch, step, loss: 1 / epoch, samples: 100, duration_s: 1 });
    add('eval', {
      split: 'test',
      epoch,
      step,
      loss: 1 / epoch,
      accuracy: 1 - 1 / (epoch + 1),
      samples: 10,
      duration_s: 0.1,
    });
  }
  return lines;
}

export interface MadeRun {
  readonly name: string;
  readonly id: string;
  readonly status?: string;
  readonly accuracy?: number;
  readonly learningRate?: number;
  readonly log?: readonly string[];
  /** Sections that replace those of the config. */
  readonly sections?: Readonly<Record<string, object>>;
  /** Metrics of the test split besides `loss` and `accuracy`. */
  readonly metrics?: Readonly<Record<string, number>>;
}

/**
 * Writes a run directory like a finished run, without training; if `status` is undefined, like a
 * killed run. Returns its path.
 */
export function makeRun(
  root: string,
  { name, id, status, accuracy = 0.9, learningRate = 0.01, log = logLines(2, 3), sections, metrics }: MadeRun,
): string {
  const directory = join(root, name, id);
  mkdirSync(directory, { recursive: true });
  const put = (file: string, content: string) => writeFileSync(join(directory, file), content);
  const config = {
    version: 1,
    name,
    seed: 0,
    dataset: {
      kind: 'synthetic',
      problem: 'adding',
      sequence_length: 20,
      train_size: 100,
      test_size: 10,
      seed: 0,
    },
    model: { cell: 'lstm', hidden_size: 16, num_layers: 1, head: { from: 'last' } },
    optimizer: { kind: 'adam', learning_rate: learningRate },
    training: { num_epochs: 2, batch_size: 10 },
    ...sections,
  };
  put('config.resolved.yaml', JSON.stringify(config));
  put('config.yaml', JSON.stringify(config));
  put('log.jsonl', log.join(''));
  if (status === undefined) return directory;
  const hash = 'a'.repeat(64);
  put(
    'summary.json',
    JSON.stringify({
      version: 1,
      run_id: id,
      name,
      status,
      exit_code: status === 'completed' ? 0 : 4,
      directory,
      config_hash: hash,
      backend: 'cpu',
      executor: 'js',
      seed: 0,
      steps: 6,
      epochs: 2,
      skipped_batches: 0,
      evaluated: true,
      metrics: { train: { loss: 0.5 }, test: { loss: 0.25, accuracy, ...metrics } },
      gates: [
        {
          metric: 'test.accuracy',
          over: 'last',
          origin: 'config.yaml:1:1',
          min: 0.8,
          value: accuracy,
          verdict: accuracy >= 0.8 ? 'passed' : 'failed',
        },
      ],
      duration_s: 12.5,
      train_s: 10,
      eval_s: 1,
      ms_per_step: 2,
      calibration_ms: null,
      step_ratio: null,
      peak_rss_mb: 100,
      parameters: 1297,
      best: { metric: 'test.accuracy', value: accuracy, step: 6, epoch: 2 },
      checkpoints: { last: null, best: null },
      digests: { log: null, files: {} },
      ...(status !== 'completed' && { message: 'the loss is not finite' }),
    }),
  );
  return directory;
}

/** A log that keeps the stacks of errors. */
export function defectLog(defects: unknown[]): Logger {
  return openLogger(line => {
    const { err } = JSON.parse(line);
    if (err) defects.push(err.stack);
  });
}

/** Starts a dashboard for `use`. Throws the first defect that it reports meanwhile. */
export async function withDashboard(
  root: string,
  use: (dashboard: Dashboard) => Promise<void>,
  limits: Partial<Parameters<typeof startDashboard>[0]> = {},
): Promise<void> {
  const defects: unknown[] = [];
  const dashboard = await startDashboard({
    root,
    host: '127.0.0.1',
    port: 0,
    pollMs: 20,
    log: defectLog(defects),
    ...limits,
  });
  try {
    await use(dashboard);
  } finally {
    await dashboard.close();
  }
  if (defects.length > 0) throw defects[0];
}
