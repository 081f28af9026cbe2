/** The HTTP server of the dashboard, over the catalog. It only reads files. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Logger } from '../../host/index.js';
import { comparisonOf } from '../../judge/comparison/compare.js';
import { findTrials } from '../../run/find.js';
import { followLog } from '../../run/history.js';
import { isLocked } from '../../run/lock.js';
import { Run } from '../../run/run.js';
import { isSweepWorkedOn } from '../../sweep/results.js';
import { launcher } from '../../util/root.js';
import { comparisonBlocks } from '../comparison-document.js';
import { htmlPage, pageAsset } from '../report.js';
import { type Recorded, recordedAt, runReportOf } from '../run-report.js';
import { buildSweepReport } from '../sweep-report.js';
import { Catalog, isFileProblem, nextTurn, RUN_FILES, SWEEP_FILES, signatureOf } from './catalog.js';
import { type Address, listen, logRequest, NOWHERE, refusalOf, refuse, respond } from './http.js';

interface DashboardOptions extends Address {
  readonly root: string;
  /** The WAV file of a recording; undefined if it has gone. */
  readonly audioOf?: (run: Run, recorded: Recorded) => Buffer | undefined;
  readonly log: Logger;
  readonly pollMs?: number;
}

export type Dashboard = Awaited<ReturnType<typeof startDashboard>>;

/** @returns its URL, such as `http://127.0.0.1:7420/`, and how to close it */
export async function startDashboard(options: DashboardOptions) {
  const catalog = new Catalog(options.root);
  await catalog.refresh();
  const handler = new Handler(options, catalog);
  const { server, url } = await listen(options, (request, response) => handler.handle(request, response));
  return {
    url,
    close: async () => {
      const closed = new Promise(resolve => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

const POLL_MS = 1000;
/** Idle time after a poll, as a multiple of its duration. */
const IDLE_FACTOR = 5;
/** Shorter than the timeouts of proxies. */
const BEAT_MS = 10_000;

class Handler {
  constructor(
    private readonly options: DashboardOptions,
    private readonly catalog: Catalog,
  ) {}

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, headers, url = '' } = request;
    const [path] = url.split('?', 1);
    logRequest(this.options.log, request, response, path);
    const refusal = refusalOf(method, headers, this.options.host);
    if (refusal !== undefined) return refuse(response, refusal);
    const asset = ASSETS[path];
    if (asset !== undefined) return respond(response, 200, asset.type, asset.read());
    try {
      const [, run, index] = /^\/api\/recordings\/([^?]+)\?index=(\d+)$/.exec(url) ?? [];
      if (run !== undefined) return await this.play(decodedPath(run), Number(index), response);
      const subject = subjectOf(url);
      if (subject === undefined) refuse(response, NOWHERE);
      else if (subject.isStream && method === 'GET') await this.follow(subject, response);
      else await this.answer(subject, response);
    } catch (error) {
      if (error instanceof URIError) refuse(response, { status: 400, message: 'the address is malformed' });
      else refuse(response, { status: isFileProblem(error) ? 409 : 500, message: this.reasonOf(error) });
    }
  }

  private async play(path: string, index: number, response: ServerResponse): Promise<void> {
    const folder = await this.catalog.find('run', path);
    const run = folder === undefined ? undefined : Run.read(folder);
    const recorded = run && recordedAt(run, index);
    const audio = recorded && this.options.audioOf?.(run, recorded);
    if (audio === undefined) return refuse(response, { status: 404, message: 'there is no such recording' });
    respond(response, 200, 'audio/wav', audio);
  }

  private async answer(subject: Subject, response: ServerResponse): Promise<void> {
    const source = await sourceOf(subject, this.catalog);
    if (source === undefined) return refuse(response, { status: 404, message: missing(subject) });
    try {
      await source.version();
      respond(response, 200, 'application/json', JSON.stringify(await source.document()));
    } finally {
      source.close();
    }
  }

  /**
   * Sends the document, and again after each change, until the page is closed. If a missing run
   * were refused, the page would request it again and again, with an error on the console.
   */
  private async follow(subject: Subject, response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
    const beat = setInterval(() => response.write(':\n\n'), BEAT_MS);
    let source: Source | undefined;
    let version: string | undefined;
    let sent: string | undefined;
    const send = (event: 'document' | 'trouble', document: object): void => {
      const message = `event: ${event}\ndata: ${JSON.stringify(document)}\n\n`;
      if (message !== sent) response.write(message);
      sent = message;
    };
    const look = async (): Promise<void> => {
      try {
        source ??= await sourceOf(subject, this.catalog);
        const now = await source?.version();
        if (source === undefined)
          send('trouble', { message: `${missing(subject)}; this page will show it once it exists` });
        else if (now !== version) send('document', await source.document());
        version = now;
      } catch (error) {
        version = undefined;
        send('trouble', { message: this.reasonOf(error) });
      }
    };
    while (!response.destroyed) {
      const began = performance.now();
      // a page that reads nothing gets nothing more
      if (!response.writableNeedDrain) await look();
      const { pollMs = POLL_MS } = this.options;
      // must not keep the program running
      const pause = Math.max(pollMs, IDLE_FACTOR * (performance.now() - began));
      await setTimeout(pause, undefined, { ref: false });
    }
    clearInterval(beat);
    source?.close();
  }

  private reasonOf(error: unknown): string {
    if (isFileProblem(error)) return error.message;
    // neither a user nor a file caused it
    this.options.log.error({ err: error }, 'a request failed');
    return 'internal error; see the output of the server';
  }
}

function missing({ kind, paths }: Subject): string {
  return kind === 'comparison'
    ? 'one of these runs does not exist'
    : `there is no ${kind} '${paths[0].slice(0, 200)}'`;
}

const PAGE = htmlPage(
  'Experiments',
  `<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>`,
  `<div id="page" data-launcher="${launcher}">
<main>
<h1>Experiments</h1>
<noscript><p>The dashboard needs JavaScript. Without it, <code>${launcher} report DIR</code> writes a page that shows the same.</p></noscript>
</main>
</div>`,
);

const ASSETS: Readonly<Record<string, { readonly type: string; read(): string } | undefined>> = {
  '/': { type: 'text/html', read: () => PAGE },
  '/page.js': { type: 'text/javascript', read: () => pageAsset('page.js') },
  '/page.css': { type: 'text/css', read: () => pageAsset('page.css') },
};

/** What a page can watch; it is sent whole. */
interface Subject {
  readonly kind: 'list' | 'run' | 'sweep' | 'comparison';
  /** In the list: none of it, one of a run or a sweep, 2 to `MAX_COMPARED` of runs to compare. */
  readonly paths: readonly string[];
  readonly isStream: boolean;
}

/** More curves cannot be distinguished in one chart. */
const MAX_COMPARED = 12;

/**
 * Parses `/api/list`, `/api/runs/PATH`, `/api/sweeps/PATH` and
 * `/api/comparison?run=PATH&run=PATH`, each also with `/events` at the end of its path. Throws a
 * URIError if it is malformed.
 */
function subjectOf(address: string): Subject | undefined {
  const [, what = '', events, query] = /^\/api\/([^?]+?)(\/events)?(?:\?(.*))?$/.exec(address) ?? [];
  const isStream = events !== undefined;
  if (what === 'list') return { kind: 'list', paths: [], isStream };
  if (what === 'comparison') {
    const paths = [...new Set(new URLSearchParams(query).getAll('run'))];
    const isPossible = paths.length >= 2 && paths.length <= MAX_COMPARED;
    return isPossible ? { kind: 'comparison', paths, isStream } : undefined;
  }
  const [, kind, path] = /^(run|sweep)s\/(.+)$/.exec(what) ?? [];
  if (path === undefined) return undefined;
  return { kind: kind as 'run' | 'sweep', paths: [decodedPath(path)], isStream };
}

function decodedPath(path: string): string {
  return path.split('/').map(decodeURIComponent).join('/');
}

interface Source {
  /** Differs if the document may have changed. */
  version(): string | Promise<string>;
  document(): object | Promise<object>;
  close(): void;
}

async function sourceOf({ kind, paths }: Subject, catalog: Catalog): Promise<Source | undefined> {
  const folders: string[] = [];
  for (const path of paths) {
    const folder = await catalog.find(kind === 'sweep' ? 'sweep' : 'run', path);
    if (folder === undefined) return undefined;
    folders.push(folder);
  }
  const close = () => {};
  if (kind === 'list') {
    const version = () => catalog.freshen().then(() => String(catalog.version));
    return { version, document: () => catalog.list, close };
  }
  if (kind === 'sweep') {
    const [folder] = folders;
    const version = () => {
      const logs = findTrials(folder).map(({ path }) => signatureOf(path, ['log.jsonl']));
      return [signatureOf(folder, SWEEP_FILES), isSweepWorkedOn(folder), ...logs].join(' ');
    };
    return { version, document: () => buildSweepReport(folder), close };
  }
  const runs = paths.map((path, i) => followedRun(path, folders[i]));
  return {
    version: () => runs.map(run => run.version()).join(' '),
    document: async () => (kind === 'run' ? (await runs[0].read()).report : compared(runs)),
    close: () => {
      for (const run of runs) run.close();
    },
  };
}

/** Longer curves are reduced to their extremes; twice the columns of a wide screen. */
const CAPACITY = 1000;

function followedRun(path: string, folder: string) {
  const log = followLog(join(folder, 'log.jsonl'), CAPACITY);
  return {
    version: () => `${signatureOf(folder, RUN_FILES)} ${isLocked(join(folder, 'run.lock'))}`,
    read: async () => {
      // other work gets a turn after each megabyte
      while (log.poll()) await nextTurn();
      const run = Run.read(folder);
      const address = `/api/recordings/${path.split('/').map(encodeURIComponent).join('/')}`;
      const report = runReportOf(run, log.history, (_, { index }) => `${address}?index=${index}`);
      return { path, run, report };
    },
    close: () => log.close(),
  };
}

export type ComparisonReport = Awaited<ReturnType<typeof compared>>;

/** Runs compared as by `compare`; those that differ only in their seed are one side. */
async function compared(sources: readonly ReturnType<typeof followedRun>[]) {
  const read = [];
  for (const source of sources) read.push(await source.read());
  const all = read.map(({ run }) => run);
  const names = [...new Set(all.map(({ name }) => name))];
  const groups = names.map(name => ({ argument: name, runs: all.filter(run => run.name === name) }));
  const { comparison, sides } = comparisonOf(groups);
  const runs = read.map(({ path, run, report }) => {
    const side = sides.find(({ runs }) => runs.some(({ record }) => record === run));
    return { path, side: side?.id ?? null, report };
  });
  return {
    kind: 'comparison' as const,
    version: 1 as const,
    comparison,
    blocks: comparisonBlocks(comparison),
    runs,
  };
}
