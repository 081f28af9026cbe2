/**
 * The queue of the BullMQ launcher and its workers. BullMQ and ioredis are optional packages.
 * Anyone who can write to Redis can put anything there, so a job only names a sweep, one of its
 * trials and how far to train it. The worker takes everything else from the sweep's frozen plan and
 * journal, which are within the worker's root.
 */

import { existsSync, realpathSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { validateAgainst } from '../../config/schema/validate.js';
import { sha256 } from '../../run/files.js';
import { type UserError, usageError } from '../../util/errors.js';
import { boolean, document, integer, literal, type TypeOf, text } from '../../util/schema.js';
import { codeOf } from '../../util/system-errors.js';
import { backendOf, SweepDirectory, trialArguments } from '../directory.js';
import { readJournal } from '../journal.js';
import { replicateWords } from '../schedule/plan.js';
import { segment, segmentOf } from '../schedule/records.js';
import { type Launcher, polled, type RunningTask, type Task, type TaskEnd } from '../segment.js';
import { isRunOf } from '../trials.js';

export const queueJobShape = document(
  'Queue job',
  "A job in the queue of a sweep: the trial that a worker trains, and up to which epoch. Everything else is in the sweep's directory.",
  {
    version: literal(2, 'Version of this format.'),
    id: text({
      description: 'The task, unique within its sweep.',
      pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$',
    }),
    ...segment,
    attempt: integer({ description: 'Counted from 1.', min: 1 }),
    sweep: text({
      description: "Absolute path of the sweep's directory. A worker accepts only paths within its root.",
      maxLength: 4096,
      pattern: '^/',
    }),
    threads: integer({ description: 'Threads that the process may use.', min: 1 }),
    stop: boolean('Whether the sweep requests that the process stops.'),
  },
);

export type QueueJob = TypeOf<typeof queueJobShape>;

/** Equal for the same task of a sweep, so that a queue never holds a task twice. */
export function jobId({ id, directory }: Pick<Task, 'id' | 'directory'>): string {
  return `${id}-${sha256(directory).slice(0, 16)}`;
}

export function queueJob(task: Task): QueueJob {
  const { id, attempt, directory, threads } = task;
  const sweep = dirname(dirname(directory));
  return { version: 2, id, ...segmentOf(task), attempt, sweep, threads, stop: false };
}

/** The task that `data` names, completed from its sweep. `root` is absolute. */
export function taskOfJob(data: unknown, root: string): { task: Task; stop: boolean } {
  const [violation] = validateAgainst('queue-job', data);
  if (violation !== undefined) throw refusal(`job data${violation.instancePath} ${violation.message}`);
  const { sweep, stop, version: _, ...segment } = data as QueueJob;
  checkInside(root, sweep);
  const directory = SweepDirectory.open(sweep);
  const { plan } = directory;
  const { trial, from, to, threads } = segment;
  const { records } = readJournal(directory.files.journal);
  const chosen = records.findLast(record => record.event === 'trial.chosen' && record.trial === trial);
  // the sweep records the point before it adds the job to the queue
  if (chosen?.event !== 'trial.chosen') throw refusal(`the sweep's journal has no trial ${trial}`);
  if (!isRunOf(plan, segment)) throw refusal(`the sweep has no ${replicateWords(segment)}`);
  if (!(from < to && to <= plan.epochs))
    throw refusal(`the sweep has no segment from epoch ${from} to ${to}`);
  const path = directory.runPath(segment);
  checkInside(root, path);
  const settings = { backend: backendOf(records) ?? 'auto', threads };
  const args = trialArguments(directory, chosen.point, segment, settings);
  return { task: { ...segment, directory: path, args, timeout: plan.trial_timeout }, stop };
}

/** Resolves links, also for a path that does not exist yet: its nearest existing folder counts. */
function checkInside(root: string, path: string): void {
  if (resolve(path) !== path) throw refusal(`${path} is not a normalized absolute path`);
  let existing = path;
  while (!existsSync(existing)) existing = dirname(existing);
  const real = realpathSync(existing);
  if (real !== root && !real.startsWith(root.endsWith(sep) ? root : root + sep)) {
    throw refusal(`${path} is not in ${root}`, "a path within the worker's --root, the same on all machines");
  }
}

function refusal(message: string, expected?: string): UserError {
  return usageError('queue/refused', `the worker refuses the job: ${message}`, { expected });
}

/** The end of a task that is lost, stopped before its start, or failed outside of its process. */
export function lostEnd(reason: string): TaskEnd {
  return { exitCode: null, signal: null, timedOut: false, stderr: reason };
}

const CONNECT_MS = 5_000;
const QUEUE = 'cellrun';

/** Reads `redis://[user:password@]host[:port][/database][?queue=NAME]`, or `rediss://` for TLS. */
export function parseQueue(text: string) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const name = url?.searchParams.get('queue') ?? QUEUE;
  const isKnown = url !== undefined && /^rediss?:$/.test(url.protocol) && url.hostname !== '';
  if (!isKnown || !/^[A-Za-z0-9._-]+$/.test(name) || !/^\/?\d*$/.test(url.pathname)) {
    throw usageError('queue/address', 'invalid queue address', {
      expected: 'redis://host:6379, rediss://user:password@host:6379/0?queue=name',
      got: text.replace(/\/\/[^@/]*@/, '//…@'),
    });
  }
  url.searchParams.delete('queue');
  const shown = new URL(url);
  shown.password = '';
  return {
    /** For ioredis, including the password. */
    url: url.href,
    /** Name of the queue on the server. */
    name,
    /** The value of `--queue` without the password, for messages. */
    shown: name === QUEUE ? shown.href : `${shown.href}?queue=${name}`,
  };
}

/** A queue on a server that was reached, and the library of its workers. */
export interface TaskQueue {
  readonly library: typeof import('bullmq');
  readonly connection: Redis;
  readonly queue: Queue<QueueJob, TaskEnd>;
}

export async function openQueue({ url, name, shown }: ReturnType<typeof parseQueue>): Promise<TaskQueue> {
  const [library, { Redis }] = await loadPackages();
  // BullMQ requires a client that waits for the server without a limit
  const options = { maxRetriesPerRequest: null, connectTimeout: CONNECT_MS, lazyConnect: true };
  const connection = new Redis(url, options);
  // `connect` rejects only with "connection is closed"; the event has the reason
  let reason: Error | undefined;
  connection.on('error', error => {
    reason = error;
  });
  try {
    await connection.connect();
  } catch (error) {
    connection.disconnect();
    throw unreachableError(shown, (reason ?? (error as Error)).message);
  }
  return { library, connection, queue: new library.Queue(name, { connection }) };
}

async function loadPackages() {
  try {
    return await Promise.all([import('bullmq'), import('ioredis')]);
  } catch (error) {
    if (codeOf(error) !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw usageError(
      'queue/not-installed',
      'queues need the packages bullmq and ioredis, which are not installed',
      { expected: '`npm install --include=optional` in the folder of this program' },
    );
  }
}

function unreachableError(shown: string, reason: string): UserError {
  return usageError('queue/unreachable', `cannot reach ${shown}: ${reason}`);
}

/** How long a finished job is kept, in seconds, for a sweep that is resumed later. */
const KEPT = { age: 14 * 24 * 3600 };

export interface BullmqOptions {
  readonly queue: string;
  /** The sweep's directory or one above it: the `--root` that a worker needs. */
  readonly folder: string;
  warn(text: string): void;
  /** Milliseconds between checks of a job. */
  readonly poll?: number;
  /** Milliseconds without the server after which the launcher fails. */
  readonly patience?: number;
}

/**
 * Runs trials as jobs of a BullMQ queue for workers (`cellrun worker`) on machines that have the
 * sweep's directory at the same path. Jobs survive this process, their worker and, if Redis
 * persists its data (`appendonly yes`), a restart of Redis.
 */
export async function openBullmq(options: BullmqOptions): Promise<Launcher> {
  const { folder, warn, poll = 1000, patience = 900_000 } = options;
  const address = parseQueue(options.queue);
  const { connection, queue } = await openQueue(address);
  queue.on('error', () => {});
  let isClosed = false;
  let hasWarned = false;
  /** Rejects once the server has been gone for too long. */
  const gone = new Promise<never>((_, reject) => {
    const giveUp = () => reject(unreachableError(address.shown, 'the connection was lost'));
    let timer: NodeJS.Timeout | undefined;
    connection.on('close', () => {
      if (!isClosed) timer ??= setTimeout(giveUp, patience);
    });
    connection.on('ready', () => {
      clearTimeout(timer);
      timer = undefined;
    });
  });
  gone.catch(() => {});

  const warnIfAlone = async (): Promise<void> => {
    // also while a slow server has not answered
    hasWarned = true;
    hasWarned = (await queue.getWorkersCount()) === 0;
    if (!hasWarned) return;
    const worker = `cellrun worker --queue '${address.shown}' --root '${folder}'`;
    warn(`tasks wait in ${address.shown}, but no worker is running; start one with: ${worker}`);
  };
  const endOf = async (id: string): Promise<TaskEnd | undefined> => {
    const state = await queue.getJobState(id);
    if (state === 'unknown') return { ...lostEnd(`job ${id} is no longer in the queue`), wasForgotten: true };
    if (state === 'completed') return (await queue.getJob(id))?.returnvalue;
    if (state === 'failed') return lostEnd((await queue.getJob(id))?.failedReason ?? '');
    if (state === 'waiting' && !hasWarned) await warnIfAlone();
    return undefined;
  };
  // the server may be gone; the next poll tries again
  const ended = (id: string) =>
    polled(
      () => endOf(id).catch(() => undefined),
      poll,
      () => isClosed,
    );
  /** A waiting job is removed; the worker of an active one reads the request from it. */
  const stop = async (id: string): Promise<void> => {
    const job = await queue.getJob(id);
    if (!job || job.finishedOn !== undefined) return;
    await job.updateData({ ...job.data, stop: true });
    // fails if a worker has it, also if it has just taken it
    await job.remove().catch(() => {});
  };
  const running = (id: string): RunningTask => {
    return { process: id, end: Promise.race([ended(id), gone]), stop: () => stop(id) };
  };

  return {
    name: 'bullmq',
    async start(task) {
      const id = jobId(task);
      const state = await queue.getJobState(id);
      // stopped before its end, retried by the sweep, or in a list that the server has lost
      if (state === 'completed' || state === 'failed' || state === 'unknown') await queue.remove(id);
      // has no effect if a job with this ID exists
      await queue.add('task', queueJob(task), { jobId: id, removeOnComplete: KEPT, removeOnFail: KEPT });
      return running(id);
    },
    async find(task, process) {
      const id = jobId(task);
      return process === id && (await queue.getJob(id)) ? running(id) : undefined;
    },
    async close() {
      isClosed = true;
      // closing would wait for a server that is gone
      if (connection.status === 'ready') await queue.close();
      connection.disconnect();
    },
  };
}
