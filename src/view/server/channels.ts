/**
 * Channels: a source and the pages that subscribe to it. A page that joins, also after a break,
 * gets the whole document and from then on every change.
 */
import { Run } from '../../run/run.js';
import { UserError } from '../../util/errors.js';
import type { Trouble } from '../document.js';
import type { Catalog, Place } from './catalog.js';
import { RUN_FILES, signatureOf } from './listed.js';
import type { Source, Update } from './sources.js';
import { comparisonReportOf, ListSource, RunSource, SweepSource } from './sources.js';

export interface Message {
  readonly event: 'document' | 'change' | 'trouble';
  /** JSON, on one line. */
  readonly data: string;
}

/** A page that subscribes to the source. */
export interface Subscriber {
  readonly isOpen: boolean;
  send(message: Message): void;
}

/** Idle time after a poll, as a multiple of its duration. */
const IDLE_FACTOR = 5;

export class Channel {
  private readonly subscribers = new Set<Subscriber>();
  private trouble: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;

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

  get hasSubscribers(): boolean {
    return this.subscribers.size > 0;
  }

  get isInUse(): boolean {
    return this.hasSubscribers || this.polling !== undefined;
  }

  /**
   * The current document.
   * @throws UserError if its files cannot be read
   */
  async current(): Promise<object> {
    await this.poll();
    return this.source.document();
  }

  /** Sends the page the document, and every change from now on. */
  async join(subscriber: Subscriber): Promise<void> {
    await this.poll();
    if (!subscriber.isOpen) return;
    // synchronous, so that no change is sent twice or lost in between
    subscriber.send(this.whole());
    this.subscribers.add(subscriber);
    if (this.timer === undefined) this.schedule(0);
  }

  leave(subscriber: Subscriber): void {
    this.subscribers.delete(subscriber);
    if (!this.hasSubscribers) this.rest();
  }

  close(): void {
    this.subscribers.clear();
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
        if (this.hasSubscribers) this.schedule(performance.now() - began);
      },
      Math.max(this.everyMs, IDLE_FACTOR * spentMs),
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
    if (!this.hasSubscribers) return;
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
    for (const subscriber of this.subscribers) subscriber.send(message);
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

interface ChannelsOptions {
  readonly onBug: (error: unknown) => void;
  /** Default: what the source asks for. */
  readonly pollMs?: number;
}

/** Each holds a file open and some megabytes. */
const MAX_KEPT = 64;

export type Subject = { readonly kind: 'list' } | { readonly kind: 'run' | 'sweep'; readonly path: string };

/** The channels in use, and those used last, so that a page that is loaded again finds its own. */
export class Channels {
  /** By subject, the least recently used first. */
  private readonly open = new Map<string, Channel>();

  constructor(
    private readonly catalog: Catalog,
    private readonly options: ChannelsOptions,
  ) {}

  /** The channel of a subject; undefined if it does not exist. */
  async of(subject: Subject): Promise<Channel | undefined> {
    const key = subject.kind === 'list' ? 'list' : `${subject.kind} ${subject.path}`;
    const source = this.open.has(key) ? undefined : await this.sourceOf(subject);
    // another request may have created it meanwhile
    const channel =
      this.open.get(key) ?? (source && new Channel(source, this.options.onBug, this.options.pollMs));
    if (channel === undefined) return undefined;
    this.open.delete(key);
    this.open.set(key, channel);
    for (const [other, { isInUse }] of this.open) {
      if (this.open.size <= MAX_KEPT || isInUse || other === key) continue;
      this.open.get(other)?.close();
      this.open.delete(other);
    }
    return channel;
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
    return comparisonReportOf(new Map(places.map(({ path, folder }) => [path, Run.read(folder)])));
  }

  close(): void {
    for (const channel of this.open.values()) channel.close();
    this.open.clear();
  }

  private async sourceOf(subject: Subject): Promise<Source | undefined> {
    if (subject.kind === 'list') return new ListSource(this.catalog);
    const place = await this.placeOf(subject.kind, subject.path);
    if (place === undefined) return undefined;
    return subject.kind === 'run' ? new RunSource(place.folder) : new SweepSource(place.folder);
  }

  /** A new one is unknown until the next refresh. */
  private async placeOf(kind: 'run' | 'sweep', path: string) {
    const known = this.catalog.find(kind, path);
    if (known !== undefined) return known;
    await this.catalog.refresh();
    return this.catalog.find(kind, path);
  }
}
