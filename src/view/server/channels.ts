/**
 * What pages watch: a channel is a source and its watchers. A page that joins, also after a break,
 * gets the whole document and from then on every change.
 */
import type { RunHistory } from '../../run/history.js';
import { UserError, usageError } from '../../util/errors.js';
import type { Trouble } from '../document.js';
import type { Catalog, Place } from './catalog.js';
import { RUN_FILES, signatureOf } from './listed.js';
import type { Source, Update } from './sources.js';
import { ListSource, RunSource, SweepSource } from './sources.js';

export interface Message {
  readonly event: 'document' | 'change' | 'trouble';
  /** JSON, on one line. */
  readonly data: string;
}

/** A page that watches the source. */
export interface Watcher {
  readonly isOpen: boolean;
  send(message: Message): void;
}

/** Idle time after a poll, as a multiple of its duration. */
const SHARE = 5;

export class Channel {
  private readonly watchers = new Set<Watcher>();
  private trouble: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;
  private lastUse = performance.now();

  /**
   * @param source closed with the channel
   * @param onBug called with errors that neither a user nor a file caused
   * @param everyMs milliseconds between polls
   */
  constructor(
    private readonly source: Source,
    private readonly onBug: (error: unknown) => void,
    private readonly everyMs = source.everyMs,
  ) {}

  get isWatched(): boolean {
    return this.watchers.size > 0;
  }

  /** Milliseconds since it was last used; 0 while it is in use. */
  get idleMs(): number {
    return this.isWatched || this.polling !== undefined ? 0 : performance.now() - this.lastUse;
  }

  /**
   * The current document.
   * @throws UserError if its files cannot be read
   */
  async current(): Promise<object> {
    this.lastUse = performance.now();
    await this.poll();
    return this.source.document();
  }

  /** Sends the page the document, and every change from now on. */
  async join(watcher: Watcher): Promise<void> {
    this.lastUse = performance.now();
    await this.poll();
    if (!watcher.isOpen) return;
    // synchronous, so that no change is sent twice or lost in between
    watcher.send(this.whole());
    this.watchers.add(watcher);
    if (this.timer === undefined) this.schedule(0);
  }

  leave(watcher: Watcher): void {
    if (this.watchers.delete(watcher)) this.lastUse = performance.now();
    if (!this.isWatched) this.rest();
  }

  close(): void {
    this.watchers.clear();
    this.rest();
    this.source.close();
  }

  private rest(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private schedule(spentMs: number): void {
    this.timer = setTimeout(
      async () => {
        const began = performance.now();
        await this.poll();
        if (this.isWatched) this.schedule(performance.now() - began);
      },
      Math.max(this.everyMs, SHARE * spentMs),
    );
  }

  /** Polls once at a time: concurrent callers share the result. */
  private poll(): Promise<void> {
    this.polling ??= this.source
      .poll()
      .then(update => this.take(update))
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.polling = undefined;
      });
    return this.polling;
  }

  private take(update: Update): void {
    const wasInTrouble = this.trouble !== undefined;
    this.trouble = undefined;
    if (!this.isWatched) return;
    if (update.kind === 'document' || wasInTrouble) this.send(this.whole());
    else if (update.kind === 'change') this.send({ event: 'change', data: JSON.stringify(update.change) });
  }

  private fail(error: unknown): void {
    const message = this.reasonOf(error);
    if (message === this.trouble) return;
    this.trouble = message;
    this.send(troubled(message));
  }

  private send(message: Message): void {
    for (const watcher of this.watchers) watcher.send(message);
  }

  private whole(): Message {
    if (this.trouble !== undefined) return troubled(this.trouble);
    try {
      return { event: 'document', data: JSON.stringify(this.source.document()) };
    } catch (error) {
      this.trouble = this.reasonOf(error);
      return troubled(this.trouble);
    }
  }

  private reasonOf(error: unknown): string {
    if (error instanceof UserError || (error instanceof Error && 'syscall' in error)) return error.message;
    this.onBug(error);
    return 'internal error; see the output of the server';
  }
}

export function troubled(message: string): Message {
  return { event: 'trouble', data: JSON.stringify({ message } satisfies Trouble) };
}

/** What makes the documents. */
export interface Reports {
  run(folder: string, history: RunHistory): object;
  sweep(folder: string): object;
  comparison(places: readonly Pick<Place, 'path' | 'folder'>[]): object;
}

interface ChannelsOptions {
  readonly reports: Reports;
  readonly onBug: (error: unknown) => void;
  /** Default: what the source asks for. */
  readonly pollMs?: number;
}

/** Each holds a file open and some megabytes. */
const MAX_CHANNELS = 64;
/** A page that is loaded again, or whose connection broke, finds its channel as it was. */
const KEPT_MS = 60_000;
/** Where there are many: who has just asked for one is about to watch it. */
const MIN_KEPT_MS = 2_000;

export type Subject = { readonly kind: 'list' } | { readonly kind: 'run' | 'sweep'; readonly path: string };

export class Channels {
  private readonly open = new Map<string, Channel>();
  private readonly tidying = setInterval(() => this.tidy(KEPT_MS), KEPT_MS / 4);

  constructor(
    private readonly catalog: Catalog,
    private readonly options: ChannelsOptions,
  ) {}

  /**
   * The channel of a subject; undefined if it does not exist.
   * @throws UserError (exit 2) if too many are watched
   */
  async of(subject: Subject): Promise<Channel | undefined> {
    const key = subject.kind === 'list' ? 'list' : `${subject.kind} ${subject.path}`;
    const known = this.open.get(key);
    if (known !== undefined) return known;
    const source = await this.sourceOf(subject);
    // another request may have created it meanwhile
    return source && (this.open.get(key) ?? this.add(key, source));
  }

  /**
   * The comparison of runs; undefined if one does not exist.
   * @throws UserError (exit 2 or 5) if one cannot be read
   */
  async comparison(paths: readonly string[]): Promise<object | undefined> {
    const places: Place[] = [];
    for (const path of new Set(paths)) {
      const place = await this.placeOf('run', path);
      if (place === undefined) return undefined;
      signatureOf(place.folder, RUN_FILES);
      places.push(place);
    }
    return this.options.reports.comparison(places);
  }

  close(): void {
    clearInterval(this.tidying);
    for (const channel of this.open.values()) channel.close();
    this.open.clear();
  }

  private add(key: string, source: Source): Channel {
    if (this.open.size >= MAX_CHANNELS) this.tidy(MIN_KEPT_MS);
    if (this.open.size >= MAX_CHANNELS) throw tooMany();
    const channel = new Channel(source, this.options.onBug, this.options.pollMs);
    this.open.set(key, channel);
    return channel;
  }

  private async sourceOf(subject: Subject): Promise<Source | undefined> {
    if (subject.kind === 'list') return new ListSource(this.catalog);
    const place = await this.placeOf(subject.kind, subject.path);
    if (place === undefined) return undefined;
    return subject.kind === 'run'
      ? new RunSource(place.folder, this.options.reports.run)
      : new SweepSource(place.folder, this.options.reports.sweep);
  }

  /** A new one is unknown until the next refresh. */
  private async placeOf(kind: 'run' | 'sweep', path: string) {
    const known = this.catalog.find(kind, path);
    if (known !== undefined) return known;
    await this.catalog.refresh();
    return this.catalog.find(kind, path);
  }

  private tidy(keptMs: number): void {
    for (const [key, channel] of this.open) {
      if (channel.idleMs < keptMs) continue;
      channel.close();
      this.open.delete(key);
    }
  }
}

function tooMany(): UserError {
  return usageError({ code: 'serve/busy', message: 'too many runs are being watched; close some pages' });
}
