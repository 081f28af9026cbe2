/**
 * The thread of a page of `web` that trains: the same program as in Node, over the files of the
 * page. It handles requests between training steps.
 */
import { zipSync } from 'fflate';
import { version } from '../../package.json';
import { completionsAt } from '../config/completion.js';
import { type LoadedExperiment, loadExperiment } from '../config/load.js';
import { computeFeatures } from '../data/audio/threads.js';
import { ZipArchive } from '../data/formats/zip.js';
import { memoryBytes } from '../data/reading/ranged-file.js';
import {
  addFile,
  existsSync,
  filesBelow,
  findPackagesAt,
  MODULES,
  mkdirSync,
  rmSync,
  writeFileSync,
} from '../host/browser/files.js';
import { basename, createHash, dirname, isAbsolute, join } from '../host/index.js';
import { explain } from '../predict/explain.js';
import { listCheckpoints } from '../run/checkpoints.js';
import { digestOfFile } from '../run/files.js';
import { findRuns } from '../run/find.js';
import { followLog } from '../run/history.js';
import { Run } from '../run/run.js';
import { RUN_SCHEMAS } from '../run/schemas.js';
import type { RunObserver } from '../train/recorder.js';
import { resumeExperiment, runExperiment } from '../train/resume.js';
import { computeShards } from '../train/thread.js';
import { caught, type Diagnostic, placeOf, UserError, usageError, usageErrors } from '../util/errors.js';
import { schemaText } from '../util/schema.js';
import { answering, computeInThreads } from '../util/thread.js';
import { runReportOf } from '../view/run-report.js';
import {
  type Edited,
  PACKAGES,
  type Problem,
  type Reply,
  type Request,
  type Site,
  type State,
} from './messages.js';
import { keepFiles, type Storage, storeFiles } from './storage.js';

/** The files of the site, and the runs of the page. */
const SITE = '/site';
const RUNS = '/runs';
/** The zip file that was opened last. */
const UNPACKED = '/opened';
/** Pieces of a curve in a report. */
const CAPACITY = 600;
/** Milliseconds between two reports, at least; and as a multiple of what one takes. */
const REPORT_MS = 250;
const IDLE_FACTOR = 10;

// the program reads the schemas from its package
for (const [name, shape] of Object.entries(RUN_SCHEMAS))
  addFile(`/cellrun/schemas/${name}.schema.json`, Buffer.from(schemaText(name, shape, version)));

computeInThreads(self.crossOriginIsolated);

let storage: Storage | undefined;
let running: AbortController | undefined;
let directory: string | undefined;
let state: State = 'loading';

function send(reply: Reply, transfer: Transferable[] = []): void {
  self.postMessage(reply, { transfer });
}

/** What the user must know as long as the page is open, such as that its storage is full. */
let notice: string | undefined;

function enter(next: State, message = notice): void {
  state = next;
  send({ kind: 'state', state, resumable: isResumable(), ...(message !== undefined && { message }) });
}

function isResumable(): boolean {
  const path = directory;
  if (path === undefined || running) return false;
  const run = caught(() => Run.open(path));
  return !(run instanceof UserError) && run.summary?.status !== 'completed';
}

function problemsOf(error: unknown): Problem[] {
  if (error instanceof UserError)
    return error.diagnostics.map(diagnostic => {
      // names as in the site
      const message = diagnostic.message.replaceAll(`${SITE}/`, '');
      return { ...diagnostic, message, place: placeIn(diagnostic) };
    });
  const message = error instanceof Error ? error.message : String(error);
  return [{ code: 'unexpected', message, place: '' }];
}

/** The path of the config in the editor. */
let editing = '';

function placeIn({ file, line, column, ...others }: Diagnostic): string {
  if (file === editing && line !== undefined) return `line ${line}, column ${column ?? 1}: `;
  const folder = [SITE, RUNS, UNPACKED].find(one => file?.startsWith(`${one}/`));
  const name = folder === undefined ? file : file?.slice(folder.length + 1);
  return placeOf({ ...others, file: name, line, column } as Diagnostic);
}

async function open(site: Site, address: string): Promise<void> {
  const { texts } = site;
  findPackagesAt(`${address}files/${PACKAGES}`);
  const kept = keepFiles(
    `cellrun-${createHash('sha256').update(address).digest('hex').slice(0, 16)}`,
    RUNS,
    reason => {
      notice = `${reason}: download the run before you close the page`;
      enter(state);
    },
  );
  for (const [name, text] of Object.entries(texts)) addFile(join(SITE, name), new TextEncoder().encode(text));
  await Promise.all(
    Object.keys(site.files).map(async name => {
      if (name in texts) return;
      const path = name.split('/').map(encodeURIComponent).join('/');
      const response = await fetch(new URL(`files/${path}`, address)).catch(() => undefined);
      if (!response?.ok) return;
      const bytes = new Uint8Array(await response.arrayBuffer());
      addFile(name.startsWith(PACKAGES) ? name.replace(PACKAGES, MODULES) : join(SITE, name), bytes);
    }),
  );
  storage = await kept;
  mkdirSync(RUNS, { recursive: true });
  directory = newestRun();
  rest();
}

/** Shows the run, if there is one, and waits for requests. */
function rest(message?: string): void {
  report();
  enter(directory === undefined ? 'ready' : isResumable() ? 'paused' : 'ended', message);
}

/** Ids start with the time. */
function newestRun(): string | undefined {
  const runs = findRuns(RUNS).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return runs.at(-1)?.path;
}

/** The config as edited, in the place of its file: paths in it are relative to that. */
function loadEdited({ config, text, set = [] }: Edited): LoadedExperiment {
  editing = join(SITE, config);
  addFile(editing, new TextEncoder().encode(text));
  const loaded = loadExperiment(editing, { set });
  const { repeat = 1, folds } = loaded.experiment;
  if (repeat === 1 && folds === undefined) return loaded;
  const key = folds === undefined ? 'repeat' : 'folds';
  const message = `\`${key}\` trains several runs, and a page trains one`;
  throw usageErrors([loaded.locator.atKey([key], 'web/repeat', message, { expected: `no \`${key}\`` })]);
}

function check(config: Edited): void {
  let problems: readonly Problem[] = [];
  try {
    loadEdited(config);
  } catch (error) {
    problems = problemsOf(error);
  }
  send({ kind: 'checked', text: config.text, problems });
}

/** Sends the report of the run so far, with the digests of a run that stands still. */
function report(): void {
  if (directory === undefined) return;
  const path = directory;
  const log = followLog(join(path, 'log.jsonl'), CAPACITY);
  try {
    while (log.poll());
    const report = runReportOf(Run.read(path), log.history);
    send({ kind: 'report', report, digests: running ? {} : digestsOf(path) });
  } catch (error) {
    send({ kind: 'problems', problems: problemsOf(error) });
  } finally {
    log.close();
  }
}

function digestsOf(path: string): Record<string, string> {
  const saved = listCheckpoints(join(path, 'checkpoints'));
  return Object.fromEntries(saved.map(({ path }) => [basename(path), digestOfFile(path)]));
}

function observer(): RunObserver {
  let next = 0;
  const look = (): void => {
    if (performance.now() < next) return;
    const began = performance.now();
    report();
    const took = performance.now() - began;
    next = performance.now() + Math.max(REPORT_MS, IDLE_FACTOR * took);
  };
  return {
    begin: plan => {
      directory = plan.directory;
      enter('training');
    },
    step: look,
    evaluating: () => {},
    evaluated: look,
    saved: () => {},
    warning: () => {},
  };
}

async function train(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  running = new AbortController();
  let message: string | undefined;
  try {
    await work(running.signal);
  } catch (error) {
    send({ kind: 'problems', problems: problemsOf(error) });
    message = 'training stopped with an error';
  }
  running = undefined;
  await storage?.settle();
  rest(message);
}

/** Pages and Node then have the same bytes; on a GPU, the driver decides how it rounds. */
const options = {
  backend: 'webasm',
  threads: self.crossOriginIsolated ? undefined : 1,
  width: undefined,
  portable: true,
} as const;

/** Sequences and permutations of an explanation: few, since a person waits for it. */
const EXPLAINED = { limit: 200, repeats: 2, sequences: 8, seed: 0 } as const;

/** The data of a run that was trained elsewhere are those of the page with the same name. */
function findData(directory: string): void {
  for (const { name } of Run.open(directory).manifest?.datasets ?? []) {
    if (!isAbsolute(name) || name.startsWith(`${SITE}/`)) continue;
    const inside = `/${basename(name)}/`;
    for (const [file, bytes] of filesBelow(SITE)) {
      const at = `/${file}/`.indexOf(inside);
      if (at >= 0) addFile(name + file.slice(at + inside.length - 2), bytes);
    }
  }
}

/** What the predictions of the run rest on, as `explain` measures it. */
async function explainRun(): Promise<void> {
  if (directory === undefined || running) return;
  findData(directory);
  enter('explaining');
  const { test } = Run.open(directory).summary?.metrics ?? {};
  const split = test === undefined ? 'validation' : 'test';
  await explain(directory, { ...options, ...EXPLAINED, split }, () => {}).catch(error =>
    send({ kind: 'problems', problems: problemsOf(error) }),
  );
  await storage?.settle();
  rest();
}

function download(): void {
  if (directory === undefined) return;
  const name = directory.slice(RUNS.length + 1);
  const files = [...filesBelow(directory)].map(
    ([file, bytes]) => [`${basename(name)}/${file}`, bytes] as const,
  );
  const bytes = zipSync(Object.fromEntries(files), { level: 0 });
  send({ kind: 'archive', name: `${name.replace('/', '-')}.zip`, bytes }, [bytes.buffer]);
}

/** A run of a zip file, or the data of a config. */
async function drop(name: string, bytes: Uint8Array): Promise<void> {
  const path = join(SITE, name);
  const isKnown = existsSync(path);
  if (!name.endsWith('.zip') || isKnown) {
    addFile(path, bytes);
    const use = isKnown ? 'replaces the file of the site' : 'is a new file, which a config can name';
    enter(state, `${name} ${use}; it stays in this page`);
  } else {
    directory = openArchive(name, bytes);
    await storage?.settle();
    rest();
  }
}

/**
 * Stores the run of a zip file with the others, and returns its directory.
 * @throws UserError if there is none, or a file of it is damaged
 */
function openArchive(name: string, bytes: Uint8Array): string {
  const archive = new ZipArchive(memoryBytes(name, Buffer.from(bytes.buffer)));
  const unpacked = join(UNPACKED, name);
  rmSync(UNPACKED, { recursive: true, force: true });
  for (const member of archive.names) {
    const path = join(unpacked, member);
    if (!path.startsWith(`${unpacked}/`) || member.endsWith('/')) continue;
    const { source, start, end } = archive.open(member);
    addFile(path, source.readNow({ from: start, to: end }));
  }
  const [run] = existsSync(unpacked) ? findRuns(UNPACKED) : [];
  if (run === undefined)
    throw usageError('web/no-run', 'the zip file contains no run', {
      file: name,
      expected: 'the directory of a run, or a file of data whose name a config has',
    });
  Run.read(run.path);
  const directory = join(RUNS, 'opened', run.id);
  rmSync(directory, { recursive: true, force: true });
  for (const [file, content] of filesBelow(run.path)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), content);
  }
  return directory;
}

async function handle(request: Request): Promise<void> {
  switch (request.kind) {
    case 'open':
      return open(request.site, request.address);
    case 'check':
      return check(request);
    case 'complete':
      return send({ kind: 'completions', completions: completionsAt(request.text, request.at) });
    case 'pause':
      return running?.abort();
    case 'explain':
      return explainRun();
    case 'download':
      return download();
    case 'delete':
      if (directory === undefined || running) return;
      rmSync(directory, { recursive: true });
      directory = newestRun();
      await storage?.settle();
      if (storage) notice = undefined;
      return rest();
    case 'drop':
      return drop(request.name, request.bytes);
    case 'resume': {
      const path = directory;
      if (path === undefined || running) return;
      return train(signal => {
        findData(path);
        return resumeExperiment(
          path,
          {
            ...options,
            ...{ started: new Date(), signal, set: [], allowChange: [], strict: false },
            // the one that the run started with
            backend: undefined,
          },
          observer(),
        );
      });
    }
    case 'train':
      if (running) return;
      return train(async signal => {
        const { backend = 'webasm' } = request;
        const portable = backend === 'webasm';
        const settings = { ...options, backend, portable, output: RUNS, commandLine: [] };
        await runExperiment(loadEdited(request), { ...settings, started: new Date(), signal }, observer());
      });
  }
}

function becomeThread<Setup, Request>(start: (setup: Setup) => (request: Request) => unknown): void {
  self.onmessage = ({ data: setup }: MessageEvent<Setup>) => {
    const answer = answering(start(setup), reply => self.postMessage(reply));
    self.onmessage = ({ data }: MessageEvent<Request>) => void answer(data);
  };
}

if (self.name.endsWith('train/worker.js')) becomeThread(computeShards);
else if (self.name.endsWith('data/audio/worker.js')) becomeThread(computeFeatures);
else if (self.name.endsWith('web/storage.js')) becomeThread(storeFiles);
else {
  self.onmessage = ({ data }: MessageEvent<Request>) => {
    void handle(data).catch(error => {
      send({ kind: 'problems', problems: problemsOf(error) });
      enter(state);
    });
  };
}
