/**
 * The channels that pages watch, made when they are first asked for and kept for a while after last
 * use.
 */

import type { RunHistory } from '../../run/history.js';
import { type UserError, usageError } from '../../util/errors.js';
import type { Catalog, Place } from './catalog.js';
import { Channel } from './channel.js';
import { ListSource } from './list-source.js';
import { RunSource } from './run-source.js';
import { RUN_FILES, signatureOf } from './safe-files.js';
import type { Source } from './source.js';
import { SweepSource } from './sweep-source.js';

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
  private created = 0;
  private readonly tidying = setInterval(() => this.tidy(KEPT_MS), KEPT_MS / 4);

  /** @param server unique among all servers */
  constructor(
    private readonly server: string,
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
    this.created += 1;
    const channel = new Channel(
      `${this.server}.${this.created}`,
      source,
      this.options.onBug,
      this.options.pollMs,
    );
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
