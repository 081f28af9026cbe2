/**
 * One source and the pages that watch it. Everything told has a number, and what was told since the
 * last whole document is kept, so that a page that lost its connection gets exactly what it missed,
 * or the whole document where that is no longer known.
 */
import { UserError } from '../../util/errors.js';
import type { Trouble } from './documents.js';
import type { News, Source } from './source.js';

export interface Message {
  /** Absent where a page that comes back need not know of it. */
  readonly id?: string;
  readonly event: 'document' | 'change' | 'trouble';
  /** JSON, on one line. */
  readonly data: string;
}

/** A page that watches. */
export interface Watcher {
  readonly isOpen: boolean;
  send(message: Message): void;
}

/**
 * More changes are told as a whole document, so that what pages add up, and what is kept here,
 * stays small.
 */
const MAX_KEPT = 1000;
const MAX_KEPT_CHARACTERS = 1 << 20;
/** A look may take a part of the time: of a fifth of a second each second. */
const SHARE = 5;

export class Channel {
  private readonly watchers = new Set<Watcher>();
  private kept: Message[] = [];
  private keptCharacters = 0;
  private number = 0;
  private trouble: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private lastUse = performance.now();

  /**
   * @param name unique among all channels of all servers, so that the numbers of another one are
   * not taken for those of this one
   * @param source closed with the channel
   * @param defect told of what is no user's fault and no file's
   * @param everyMs between two looks at the files
   */
  constructor(
    private readonly name: string,
    private readonly source: Source,
    private readonly defect: (error: unknown) => void,
    private readonly everyMs = source.everyMs,
  ) {}

  get isWatched(): boolean {
    return this.watchers.size > 0;
  }

  /** Milliseconds since it was last of use to anyone; none as long as it is. */
  get idleMs(): number {
    return this.isWatched || this.looking !== undefined ? 0 : performance.now() - this.lastUse;
  }

  /** The document as the files are now. Throws UserError where they cannot be read. */
  async current(): Promise<object> {
    this.lastUse = performance.now();
    await this.look();
    return this.source.document();
  }

  /**
   * From now on the page is told everything. @param after the id of the last message that it got,
   * if it knows one
   */
  async join(watcher: Watcher, after: string | undefined): Promise<void> {
    this.lastUse = performance.now();
    await this.look();
    if (!watcher.isOpen) return;
    // no news can come between these, so that nothing is told twice or not at all
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
        await this.look();
        if (this.isWatched) this.schedule(performance.now() - began);
      },
      Math.max(this.everyMs, SHARE * spentMs),
    );
  }

  /** One look at a time: who comes meanwhile waits for the same. */
  private look(): Promise<void> {
    this.looking ??= this.source
      .look()
      .then(news => this.take(news))
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.looking = undefined;
      });
    return this.looking;
  }

  private take(news: News): void {
    const wasInTrouble = this.trouble !== undefined;
    this.trouble = undefined;
    if (news.kind === 'document' || wasInTrouble) this.sendWhole();
    else if (news.kind === 'change') this.sendChange(JSON.stringify(news.change));
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

  /** Undefined where that is not known. */
  private missedSince(after: string | undefined): readonly Message[] | undefined {
    if (this.trouble !== undefined || after === undefined) return undefined;
    if (after === this.id) return [];
    // before the first of those kept stands the document
    const first = `${this.name}.${this.number - this.kept.length}`;
    if (after === first) return this.kept;
    const at = this.kept.findIndex(({ id }) => id === after);
    return at < 0 ? undefined : this.kept.slice(at + 1);
  }

  private reasonOf(error: unknown): string {
    if (error instanceof UserError || (error instanceof Error && 'syscall' in error)) return error.message;
    this.defect(error);
    return 'the server failed unexpectedly; its output says more';
  }
}

export function troubled(message: string): Message {
  return { event: 'trouble', data: JSON.stringify({ message } satisfies Trouble) };
}
