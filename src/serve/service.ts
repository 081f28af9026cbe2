/**
 * An HTTP service that predicts with trained models. Each request is checked here, and carried out
 * by threads that run the exported modules. What a client does wrong, or does too slowly, ends its
 * own request and disturbs no other.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../host/index.js';
import { moduleCode } from '../interop/js/export.js';
import type { ModelFacts } from '../interop/js/served.js';
import { type OpenModelOptions, openModel } from '../predict/open.js';
import type { StepValues } from '../predict/steps.js';
import { runsAt } from '../run/find.js';
import { htmlPage, pageAsset } from '../view/report.js';
import {
  type Address,
  endResponse,
  GONE,
  listen,
  logRequest,
  NOWHERE,
  refusalOf,
  refuse,
  respond,
} from '../view/server/http.js';
import { bodies, type Limits, textOf, write } from './bodies.js';
import { Metrics } from './metrics.js';
import { LINES_TYPE, openApi, parsed, recordingIn } from './requests.js';
import { JobError, lostSession, Threads } from './threads.js';
import type { Job } from './worker.js';

/** A model to serve. */
export interface Model {
  readonly name: string;
  readonly run: string;
  readonly step: number;
  readonly config_hash: string | null;
  /** Of its module. */
  readonly code: string;
}

/**
 * The models of runs, or of all runs in directories.
 * @throws UserError (exit 2) if one cannot be exported as a module
 */
export async function servedModels(
  paths: readonly string[],
  which: Pick<OpenModelOptions, 'checkpoint' | 'weights'>,
): Promise<Model[]> {
  const runs = paths.flatMap(runsAt);
  const models: Model[] = [];
  for (const { path, name: own, id } of runs) {
    const saved = openModel(path, which);
    const name = runs.filter(one => one.name === own).length === 1 ? own : `${own}/${id}`;
    const { manifest, step } = saved;
    models.push({
      name,
      run: id,
      step,
      config_hash: manifest?.config_hash ?? null,
      code: await moduleCode(saved),
    });
  }
  return models;
}

/** What clients are told of a model. */
export type ServedModel = Omit<Model, 'code'> & ModelFacts;

interface ServiceOptions extends Address, Limits {
  readonly models: readonly Model[];
  readonly threads: number;
  /** Host names of the service, besides those of this machine. */
  readonly names: readonly string[];
  readonly version: string;
  readonly log: Logger;
}

export type Service = Awaited<ReturnType<typeof startService>>;

/** @returns its URL, and how to close it: requests that have begun are answered before */
export async function startService(options: ServiceOptions) {
  const service = new Handler(options);
  const threads = await service.start();
  const { server, url } = await listen(options, (request, response) => service.handle(request, response), {
    // bodies have limits of their own
    requestTimeout: 0,
    headersTimeout: options.timeoutMs,
    connectionsCheckingInterval: Math.min(1000, options.timeoutMs / 4),
  });
  return {
    url,
    close: async () => {
      const closed = new Promise(resolve => server.close(resolve));
      service.stop();
      // those that are kept open become idle with their response
      const idle = setInterval(() => server.closeIdleConnections(), 50);
      const late = setTimeout(() => server.closeAllConnections(), options.timeoutMs);
      await closed;
      clearInterval(idle);
      clearTimeout(late);
      await threads.close();
    },
  };
}

/** An idle session ends. */
const SESSION_MS = 10 * 60_000;
/** Sessions of all clients, and of one address. */
const [MOST_SESSIONS, MOST_OF_CLIENT] = [10_000, 1000];

/** Lines of one stream that are computed at once; others have their turn in between. */
const LINES_AT_ONCE = 4;

interface OpenSession {
  readonly model: number;
  readonly thread: number;
  readonly client: string;
  used: number;
}

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  /** In the path of the request. */
  readonly session: string;
}

type Answer = (service: Handler, call: Call) => Promise<void> | void;

const ROUTES: Readonly<Record<string, Readonly<Record<string, Answer>>>> = {
  '/': page(() => ['text/html', PAGE]),
  '/predict.js': page(() => ['text/javascript', pageAsset('predict.js')]),
  '/page.css': page(() => ['text/css', pageAsset('page.css')]),
  '/models': page(service => ['application/json', JSON.stringify({ models: service.models() })]),
  '/openapi.json': page(service => ['application/json', JSON.stringify(service.description())]),
  '/metrics': page(service => ['text/plain; version=0.0.4', service.measured()]),
  '/health': page(service => ['application/json', service.health()]),
  '/predict': { POST: (service, call) => service.predict(call) },
  '/generate': { POST: (service, call) => service.generate(call) },
  '/sessions': { POST: (service, call) => service.open(call) },
  '/sessions/{session}': {
    POST: (service, call) => service.step(call),
    DELETE: (service, call) => service.end(call),
  },
};

function page(read: (service: Handler) => readonly [type: string, body: string]) {
  const send: Answer = (service, { response }) => respond(response, 200, ...read(service));
  return { GET: send, HEAD: send };
}

class Handler {
  private readonly metrics = new Metrics();
  private readonly sessions = new Map<string, OpenSession>();
  private readonly stopping = new AbortController();
  private threads!: Threads;
  private facts: readonly ModelFacts[] = [];
  private nextThread = 0;
  private inProgress = 0;

  constructor(private readonly options: ServiceOptions) {
    setInterval(() => this.endIdle(), SESSION_MS / 10).unref();
  }

  async start(): Promise<Threads> {
    const { models, threads: count, timeoutMs, log } = this.options;
    const onLost = (thread: number) => {
      for (const [id, session] of this.sessions) if (session.thread === thread) this.sessions.delete(id);
    };
    const modules = models.map(({ code }) => code);
    const started = await Threads.start({ modules, count, timeoutMs, onLost, log });
    this.threads = started.threads;
    this.facts = started.models;
    return this.threads;
  }

  stop(): void {
    this.stopping.abort();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path] = (request.url ?? '').split('?', 1);
    const [, session = ''] = /^\/sessions\/([\w-]+)$/.exec(path) ?? [];
    const name = session === '' ? path : '/sessions/{session}';
    const route = Object.hasOwn(ROUTES, name) ? ROUTES[name] : undefined;
    this.measure(route ? name : 'other', response);
    // whoever knows the address of a session can use it
    logRequest(this.options.log, request, response, route ? name : path);
    const { method = '', headers } = request;
    const { host, names } = this.options;
    const refusal = refusalOf(method, headers, host, Object.keys(route ?? ROUTES['/']), names);
    try {
      if (refusal) return refuse(response, refusal);
      if (route === undefined) return refuse(response, NOWHERE);
      await route[method](this, { request, response, signal: signalOf(response), session });
    } catch (error) {
      this.fail(error, response);
    }
  }

  models(): readonly ServedModel[] {
    return this.options.models.map(({ code, ...model }, i) => ({ ...model, ...this.facts[i] }));
  }

  description(): object {
    return openApi(this.options.version, this.options.models);
  }

  health(): string {
    if (this.stopping.signal.aborted) throw stops();
    if (!this.threads.canAnswer) throw new JobError(503, 'no thread answers');
    return JSON.stringify({ status: 'ok' });
  }

  measured(): string {
    const { models } = this.options;
    const gauge = (name: string, help: string, value: number) => this.metrics.gauge(name, help, value);
    for (const { name, run, step, config_hash } of models)
      this.metrics.gauge('cellrun_model_info', 'The models of the service.', 1, {
        ...{ model: name, run, step, config_hash: config_hash ?? '' },
      });
    gauge('cellrun_requests_in_progress', 'Requests that are not answered yet.', this.inProgress);
    gauge('cellrun_jobs_waiting', 'Predictions that wait for a thread.', this.threads.waiting);
    gauge('cellrun_sessions', 'Open sessions.', this.sessions.size);
    gauge('cellrun_threads', 'Threads that predict.', this.threads.count);
    gauge('cellrun_thread_restarts', 'Threads that were replaced.', this.threads.restarts);
    gauge('process_resident_memory_bytes', 'Resident memory.', process.memoryUsage.rss());
    return this.metrics.text();
  }

  async predict(call: Call): Promise<void> {
    const { request, response, signal } = call;
    const predicted = async (model: number, sequence: Sequence, index: number) => {
      const line = await this.threads.submit({ kind: 'predict', model, index, sequence }, signal);
      this.count(model);
      return line;
    };
    if (/^audio\//.test(request.headers['content-type'] ?? '')) {
      const [, query] = (request.url ?? '').split('?');
      const model = this.modelOf(new URLSearchParams(query).get('model') ?? undefined);
      const sequence = recordingIn(await this.body(request), this.facts[model].channel);
      return respond(response, 200, 'application/json', await predicted(model, sequence, 0));
    }
    await this.answer(call, async (body, index) => {
      const { model: name, ...sequence } = parsed('predict', body);
      return predicted(this.modelOf(name), sequence as Sequence, index);
    });
  }

  async open({ request, response, signal }: Call): Promise<void> {
    const body = textOf(await this.body(request));
    const model = this.modelOf(parsed('open', body.trim() === '' ? '{}' : body).model);
    const client = request.socket.remoteAddress ?? '';
    const ofClient = [...this.sessions.values()].filter(one => one.client === client).length;
    if (ofClient >= MOST_OF_CLIENT)
      throw new JobError(429, `a client may have ${MOST_OF_CLIENT} sessions at once`);
    if (this.sessions.size >= MOST_SESSIONS)
      throw new JobError(503, `there are ${MOST_SESSIONS} sessions already`);
    const thread = this.nextThread++ % this.threads.count;
    const session = newId();
    await this.threads.submit({ kind: 'open', model, session }, signal, thread);
    this.sessions.set(session, { model, thread, client, used: performance.now() });
    respond(response, 201, 'application/json', JSON.stringify({ session }));
  }

  async step(call: Call): Promise<void> {
    const { session: id, signal } = call;
    const isStream = isLines(call.request);
    await this.answer(
      call,
      async body => {
        const { steps } = parsed('step', body);
        const lines: string[] = [];
        for (const values of steps as readonly StepValues[]) {
          const session = this.sessions.get(id);
          if (session === undefined) throw lostSession();
          session.used = performance.now();
          try {
            const job = { kind: 'step', session: id, values } as const;
            lines.push(await this.threads.submit(job, signal, session.thread));
          } catch (error) {
            // the steps before it count, and the session stays open
            if (error instanceof JobError) error.more = { predictions: lines.map(line => JSON.parse(line)) };
            throw error;
          }
          this.count(session.model);
        }
        return isStream ? lines.join('') : `{"predictions":[${lines.join()}]}\n`;
      },
      1,
    );
  }

  async end({ session: id, response }: Call): Promise<void> {
    const session = this.sessions.get(id);
    if (session === undefined) throw lostSession();
    await this.endSession(id, session);
    response.writeHead(204).end();
  }

  async generate({ request, response, signal }: Call): Promise<void> {
    const { model: name, prompt = '', ...options } = parsed('generate', textOf(await this.body(request)));
    const model = this.modelOf(name);
    const thread = this.nextThread++ % this.threads.count;
    const session = newId();
    const next = () => this.threads.submit({ kind: 'continue', session }, signal, thread);
    try {
      await this.threads.submit({ kind: 'generate', model, session, prompt, options }, signal, thread);
      // not before the first symbol: the prompt may be refused
      let text = await next();
      response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
      for (; text !== '' && !signal.aborted; text = await next()) await write(response, text, this.options);
      response.end();
      this.count(model);
    } finally {
      await this.threads.submit({ kind: 'close', session }, undefined, thread);
    }
  }

  /** Answers a body with one document, and each line of a stream with lines, in their order. */
  private async answer(
    { request, response, signal }: Call,
    answered: (body: string, index: number) => Promise<string>,
    linesAtOnce = LINES_AT_ONCE,
  ): Promise<void> {
    if (!isLines(request)) {
      const text = await answered(textOf(await this.body(request)), 0);
      return respond(response, 200, 'application/json', text);
    }
    response.writeHead(200, { 'Content-Type': LINES_TYPE });
    // a client may wait for them before it sends a line
    response.flushHeaders();
    const pending: Promise<void>[] = [];
    let written = Promise.resolve();
    let index = 0;
    const add = (text: Promise<string>) => {
      written = Promise.all([text, written]).then(([text]) => write(response, text, this.options));
      pending.push(written);
    };
    const failed = (at: number) => (error: unknown) => errorLine(at, this.toldOf(error));
    try {
      for await (const line of this.bodies(request, true)) {
        const at = index++;
        add(answered(textOf(line), at).catch(failed(at)));
        if (pending.length >= linesAtOnce) await pending.shift();
        if (signal.aborted) return;
      }
    } catch (error) {
      add(Promise.resolve(failed(index)(error)));
    }
    await written;
    endResponse(response);
  }

  private async body(request: IncomingMessage): Promise<Buffer> {
    const { value } = await this.bodies(request, false).next();
    return value as Buffer;
  }

  private bodies(request: IncomingMessage, areLines: boolean): AsyncGenerator<Buffer> {
    if (this.stopping.signal.aborted) throw stops();
    return bodies(request, areLines, this.options, this.stopping.signal);
  }

  private modelOf(name: string | undefined): number {
    const { models } = this.options;
    const names = models.map(model => model.name);
    const at = name === undefined && models.length === 1 ? 0 : names.indexOf(name ?? '');
    if (at >= 0) return at;
    const choice = `\`model\` is one of ${names.join(', ')}`;
    throw name === undefined
      ? new JobError(400, choice)
      : new JobError(404, `there is no such model: ${choice}`);
  }

  private count(model: number): void {
    const labels = { model: this.options.models[model].name };
    this.metrics.count('cellrun_predictions_total', 'Predictions that were computed.', labels);
  }

  private measure(route: string, response: ServerResponse): void {
    const began = performance.now();
    this.inProgress++;
    response.once('close', () => {
      this.inProgress--;
      // a refusal counts, whether the client reads it or not
      const isAnswered = response.writableFinished || response.statusCode >= 400;
      const status = isAnswered ? response.statusCode : GONE;
      this.metrics.count('cellrun_requests_total', 'Requests by the status of their response.', {
        route,
        status,
      });
      const seconds = (performance.now() - began) / 1000;
      this.metrics.observe('cellrun_request_duration_seconds', 'Time until the end of a response.', seconds, {
        route,
      });
    });
  }

  private fail(error: unknown, response: ServerResponse): void {
    if (response.destroyed) return;
    const { status, ...told } = this.toldOf(error);
    if (response.headersSent) return void response.destroy();
    const headers = { ...(status === 503 && { 'Retry-After': '1' }) };
    respond(response, status, 'application/json', JSON.stringify(told), headers);
  }

  private toldOf(error: unknown) {
    if (error instanceof JobError) {
      const { status, message, problems, more } = error;
      return { status, error: message, ...(problems.length > 0 && { problems }), ...more };
    }
    // the client has gone
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET')
      this.options.log.error({ err: error }, 'a request failed');
    return { status: 500, error: 'internal error; see the output of the server' };
  }

  private endIdle(): void {
    const since = performance.now() - SESSION_MS;
    for (const [id, session] of this.sessions) if (session.used < since) void this.endSession(id, session);
  }

  private async endSession(id: string, { thread }: OpenSession): Promise<void> {
    this.sessions.delete(id);
    await this.threads.submit({ kind: 'close', session: id }, undefined, thread).catch(() => {});
  }
}

type Sequence = Extract<Job, { readonly kind: 'predict' }>['sequence'];

function stops(): JobError {
  return new JobError(503, 'the server stops');
}

function errorLine(index: number, { status, ...told }: { readonly status: number }): string {
  return `${JSON.stringify({ index, ...told })}\n`;
}

function isLines({ headers }: IncomingMessage): boolean {
  return /^application\/(x-)?(ndjson|jsonl)/.test(headers['content-type'] ?? '');
}

/** Random, so that a client cannot use the session of another one. */
function newId(): string {
  return randomBytes(16).toString('base64url');
}

function signalOf(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => controller.abort());
  return controller.signal;
}

const PAGE = htmlPage(
  'Predictions',
  `<link rel="stylesheet" href="/page.css">
<script src="/predict.js" defer></script>`,
  `<main id="page">
<h1>Predictions</h1>
<noscript><p>This page needs JavaScript. Programs send requests to <code>/predict</code>, as <a href="/openapi.json">openapi.json</a> describes.</p></noscript>
</main>`,
);
