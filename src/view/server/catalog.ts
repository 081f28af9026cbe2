/**
 * Keeps track of the runs and sweeps under the root. One is read again only if the time, size or
 * number of a file changed. Paths from a browser are looked up here and never opened directly.
 */

import { existsSync, lstatSync } from 'node:fs';
import { basename, join, relative, resolve, sep } from 'node:path';
import { DEPTH, deeperFolder, type Found, findRuns, findTrials, kindOf } from '../../run/find.js';
import { isLocked } from '../../run/lock.js';
import { isSweepWorkedOn } from '../../sweep/index.js';
import type { CommonConfig, ListDocument, Listed } from '../document.js';
import { withoutCommon } from '../index-report.js';
import {
  configOf,
  damaged,
  isFileProblem,
  listRun,
  listSweep,
  type Place,
  RUN_FILES,
  SWEEP_FILES,
  signatureOf,
} from './listed.js';

/** Entries that are read before other work gets a turn: some ten milliseconds. */
const TURN = 200;
const FRESH_MS = 250;
/** Configs read in one refresh, the newest runs first: about 300 ms. */
const MAX_CONFIGS = 100;

interface Known {
  readonly folder: string;
  readonly signature: string;
  readonly listed: Listed;
  /** Undefined until it is read, null if it cannot be; the run's own page shows the reason. */
  config: CommonConfig | null | undefined;
}

export class Catalog {
  /** Increases with every change of the list. */
  version = 0;
  list: ListDocument;
  private known = new Map<string, Known>();
  private places = new Map<string, Place>();
  private refreshing: Promise<void> | undefined;
  private lookedAt = Number.NEGATIVE_INFINITY;

  /** @param root a folder of experiments, a run or a sweep; it need not exist yet */
  constructor(root: string) {
    this.list = {
      version: 1,
      root: resolve(root),
      exists: false,
      depth: DEPTH,
      deeper: null,
      common_config: {},
      runs: [],
      sweeps: [],
    };
  }

  /** Reads all changed files. */
  refresh(): Promise<void> {
    this.refreshing ??= this.look().finally(() => {
      this.refreshing = undefined;
    });
    return this.refreshing;
  }

  /** Refreshes unless that just happened: starting the server already reads everything. */
  async freshen(): Promise<void> {
    if (performance.now() - this.lookedAt > FRESH_MS) await this.refresh();
  }

  /**
   * The folder of the run or sweep at `path` in the list, or of a trial's run at
   * `SWEEP/trials/NAME`. Undefined if there is none.
   */
  async find(kind: Found['kind'], path: string): Promise<string | undefined> {
    const known = this.folderOf(kind, path);
    if (known !== undefined) return known;
    // it may be new
    await this.refresh();
    return this.folderOf(kind, path);
  }

  private folderOf(kind: Found['kind'], path: string): string | undefined {
    const place = this.places.get(path);
    if (place !== undefined) return place.kind === kind ? place.folder : undefined;
    const [, sweep = '', id] = /^(.+)\/trials\/([^/]+)$/.exec(path) ?? [];
    const owner = this.places.get(sweep);
    if (kind !== 'run' || owner?.kind !== 'sweep' || isLink(join(owner.folder, 'trials'))) return undefined;
    return findTrials(owner.folder).find(found => found.id === id)?.path;
  }

  private async look(): Promise<void> {
    const { root, exists, deeper } = this.list;
    const places = placesUnder(root);
    const known = new Map<string, Known>();
    for (const [i, place] of places.entries()) {
      if (i % TURN === TURN - 1) await nextTurn();
      known.set(place.path, lookAt(place, this.known.get(place.path)));
    }
    const unread = [...known.values()].filter(({ config }) => config === undefined);
    unread.sort((a, b) => (a.listed.id < b.listed.id ? 1 : -1));
    for (const one of unread.slice(0, MAX_CONFIGS)) {
      one.config = configOf(one.folder);
      await nextTurn();
    }
    const now = { exists: existsSync(root), deeper: deeperUnder(root, places) };
    const isSame =
      now.exists === exists &&
      now.deeper === deeper &&
      unread.length === 0 &&
      known.size === this.known.size &&
      [...known].every(([path, one]) => this.known.get(path) === one);
    this.known = known;
    this.places = new Map(places.map(place => [place.path, place]));
    this.lookedAt = performance.now();
    if (isSame) return;
    this.version += 1;
    const all = [...known.values()];
    const { common_config, rows } = withoutCommon(
      all.flatMap(({ listed, config = null }) => (listed.kind === 'run' ? [{ ...listed, config }] : [])),
    );
    const sweeps = all.flatMap(({ listed }) => (listed.kind === 'sweep' ? [listed] : []));
    this.list = { ...this.list, ...now, common_config, runs: rows, sweeps };
  }
}

function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function placesUnder(root: string): readonly Place[] {
  if (!existsSync(root)) return [];
  const kind = kindOf(root);
  if (kind !== undefined) return [{ kind, path: basename(root), folder: root }];
  return findRuns(root).map(({ kind, path }) => ({
    kind,
    path: relative(root, path).split(sep).join('/'),
    folder: path,
  }));
}

function deeperUnder(root: string, places: readonly Place[]): string | null {
  if (!existsSync(root) || places[0]?.folder === root) return null;
  const found = places.map(({ folder }) => ({ path: folder }));
  return deeperFolder(root, found)?.split(sep).join('/') ?? null;
}

/** A run that cannot be read, or disappears meanwhile, must not hide the others. */
function lookAt(place: Place, before: Known | undefined): Known {
  const { folder } = place;
  try {
    const isRun = place.kind === 'run';
    const isWorkedOn = isRun ? isLocked(join(folder, 'run.lock')) : isSweepWorkedOn(folder);
    const signature = `${signatureOf(folder, isRun ? RUN_FILES : SWEEP_FILES)} ${isWorkedOn}`;
    if (before?.signature === signature) return before;
    return isRun
      ? { folder, signature, listed: listRun(place, isWorkedOn), config: undefined }
      : { folder, signature, listed: listSweep(place), config: null };
  } catch (error) {
    if (!isFileProblem(error)) throw error;
    if (before?.signature === error.message) return before;
    return { folder, signature: error.message, listed: damaged(place, error.message), config: null };
  }
}
