/**
 * A source and the pages that watch it. Every message has a number, and messages since the last
 * whole document are kept, so that a page that reconnects gets exactly what it missed, or the whole
 * document if that is no longer known.
 */
import { UserError } from '../../util/errors.js';
import type { Trouble } from './documents.js';
import type { Source, Update } from './source.js';

export interface Message {
  /** Absent if a page that reconnects need not report it. */
  readonly id?: string;
  readonly event: 'document' | 'change' | 'trouble';
  /** JSON, on one line. */
  readonly data: string;
}

/** A page that watches the source. */
export interface Watcher {
  readonly isOpen: boolean;
  send(message: Message): void;
}

/**
 * Beyond these limits the whole document is sent instead of changes, so that neither pages nor this
 * process accumulate much.
 */
const MAX_KEPT = 1000;
const MAX_KEPT_CHARACTERS = 1 << 20;
/** Idle time after a poll, as a multiple of its duration. */
const SHARE = 5;

export class Channel {
  private readonly watchers = new Set<Watcher>();
  private kept: Message[] = [];
  private keptCharacters = 0;
  private number = 0;
  private trouble: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;
  private lastUse = performance.now();

  /**
   * @param name unique among all channels of all servers, so that message numbers cannot be
   *   confused
   * @param source closed with the channel
   * @param onBug called with errors that neither a user nor a file caused
   * @param everyMs milliseconds between polls
   */
  constructor(
    private readonly name: string,
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

  /**
   * Sends the page everything it missed, and everything from now on.
   * @param after ID of the last message that it received, if it knows one
   */
  async join(watcher: Watcher, after: string | undefined): Promise<void> {
    this.lastUse = performance.now();
    await this.poll();
    if (!watcher.isOpen) return;
    // synchronous, so that no message is sent twice or lost in between
    for (const message of this.missedSince(after) ?? [this.whole()]) watcher.send(message);
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
    if (update.kind === 'document' || wasInTrouble) this.sendWhole();
    else if (update.kind === 'change') this.sendChange(JSON.stringify(update.change));
  }

  private sendWhole(): void {
    this.number += 1;
    this.kept = [];
    this.keptCharacters = 0;
    if (this.isWatched) this.send(this.whole());
  }

  private sendChange(data: string): void {
    this.keptCharacters += data.length;
    if (this.kept.length >= MAX_KEPT || this.keptCharacters > MAX_KEPT_CHARACTERS) {
      this.sendWhole();
      return;
    }
    this.number += 1;
    const message: Message = { id: this.id, event: 'change', data };
    this.kept.push(message);
    this.send(message);
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

  private get id(): string {
    return `${this.name}.${this.number}`;
  }

  private whole(): Message {
    if (this.trouble !== undefined) return troubled(this.trouble);
    try {
      return { id: this.id, event: 'document', data: JSON.stringify(this.source.document()) };
    } catch (error) {
      this.trouble = this.reasonOf(error);
      return troubled(this.trouble);
    }
  }

  /** The messages since `after`; undefined if they are no longer known. */
  private missedSince(after: string | undefined): readonly Message[] | undefined {
    if (this.trouble !== undefined || after === undefined) return undefined;
    if (after === this.id) return [];
    // the document precedes the first kept message
    const first = `${this.name}.${this.number - this.kept.length}`;
    if (after === first) return this.kept;
    const at = this.kept.findIndex(({ id }) => id === after);
    return at < 0 ? undefined : this.kept.slice(at + 1);
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
