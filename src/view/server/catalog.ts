/** Keeps track of the runs and sweeps under the root. One is read again only if the time, size or
 * number of a file changed, so a refresh costs little more than stat calls. Paths from a browser
 * are looked up here and never opened directly.
 */

import { existsSync, lstatSync } from 'node:fs';
import { basename, join, relative, resolve, sep } from 'node:path';
import { readPlainConfig } from '../../config/plain.js';
import { RunDirectory } from '../../run/directory.js';
import { DEPTH, deeperFolder, type Found, findRuns, findTrials, kindOf } from '../../run/find.js';
import { isLocked } from '../../run/lock.js';
import { isSweepWorkedOn } from '../../sweep/index.js';
import { UserError } from '../../util/errors.js';
import type { CommonConfig, ListDocument, Listed, ListedRun, ListedSweep } from '../document.js';
import { commonConfig, restOf } from '../index-report.js';
import { configTexts } from '../run-report.js';
import {
  damagedRun,
  damagedSweep,
  LISTED_FILES,
  listRun,
  listSweep,
  RUN_FILES,
  type RunPlace,
  SWEEP_FILES,
  signatureOf,
} from './listed.js';

/** Entries that are read before other work gets a turn: some ten milliseconds. */
const TURN = 200;
const FRESH_MS = 250;

interface Known {
  readonly signature: string;
  readonly listed: Listed;
}

export interface Place extends RunPlace {
  readonly kind: Found['kind'];
}

export class Catalog {
  /** Absolute. */
  readonly root: string;
  private known = new Map<string, Known>();
  private runs: readonly ListedRun[] = [];
  private sweeps: readonly ListedSweep[] = [];
  private readonly configs = new ListedConfigs();
  private places = new Map<string, Place>();
  private deeper: string | undefined;
  private polling: Promise<void> | undefined;
  private lookedAt = Number.NEGATIVE_INFINITY;

  /** @param root a folder of experiments, a run or a sweep; it need not exist yet */
  constructor(root: string) {
    this.root = resolve(root);
  }

  /**
   * Reads all changed files.
   * @throws UserError (exit 2) if the root cannot be read
   */
  refresh(): Promise<void> {
    this.polling ??= this.poll().finally(() => {
      this.polling = undefined;
    });
    return this.polling;
  }

  /** Refreshes unless that just happened: starting the server already reads everything. */
  async freshen(): Promise<void> {
    if (performance.now() - this.lookedAt > FRESH_MS) await this.refresh();
  }

  /** The list at the last refresh. */
  get list(): ListDocument {
    return {
      version: 1,
      root: this.root,
      exists: existsSync(this.root),
      depth: DEPTH,
      deeper: this.deeper ?? null,
      common_config: this.configs.common,
      runs: this.runs,
      sweeps: this.sweeps,
    };
  }

  /**
   * The run or sweep at `path` in the list, or a trial's run at `SWEEP/trials/NAME`. Undefined if
   * there is none.
   */
  find(kind: Found['kind'], path: string): Place | undefined {
    const place = this.places.get(path);
    if (place !== undefined) return place.kind === kind ? place : undefined;
    const [, sweep, id] = /^(.+)\/trials\/([^/]+)$/.exec(path) ?? [];
    const owner = sweep === undefined ? undefined : this.places.get(sweep);
    if (kind !== 'run' || owner?.kind !== 'sweep' || isLink(join(owner.folder, 'trials'))) return undefined;
    const trial = findTrials(owner.folder).find(found => found.id === id);
    return trial && { kind, path, folder: trial.path };
  }

  private async poll(): Promise<void> {
    const places = foundUnder(this.root);
    const known = new Map<string, Known>();
    for (const [i, place] of places.entries()) {
      if (i % TURN === TURN - 1) await new Promise(resolve => setImmediate(resolve));
      known.set(place.path, lookAt(place, this.known.get(place.path)));
    }
    this.known = known;
    await this.configs.read(places.filter(({ kind }) => kind === 'run'));
    const listed = [...known.values()].map(one => one.listed);
    this.runs = this.configs.withConfigs(listed.filter(one => one.kind === 'run'));
    this.sweeps = listed.filter(one => one.kind === 'sweep');
    this.deeper = deeperUnder(this.root, places);
    this.lookedAt = performance.now();
    this.places = new Map(places.map(place => [place.path, place]));
  }
}

function foundUnder(root: string): readonly Place[] {
  if (!existsSync(root)) return [];
  const kind = kindOf(root);
  if (kind !== undefined) return [{ kind, path: basename(root), folder: root }];
  return findRuns(root).map(({ kind, path }) => ({
    kind,
    path: relative(root, path).split(sep).join('/'),
    folder: path,
  }));
}

function deeperUnder(root: string, places: readonly Place[]): string | undefined {
  if (!existsSync(root) || places[0]?.folder === root) return undefined;
  const found = places.map(({ folder }) => ({ path: folder }));
  return deeperFolder(root, found)?.split(sep).join('/');
}

function lookAt(place: Place, before: Known | undefined): Known {
  return place.kind === 'run' ? lookAtRun(place, before) : lookAtSweep(place, before);
}

function lookAtRun(place: Place, before: Known | undefined): Known {
  try {
    const isWorkedOn = isLocked(join(place.folder, 'run.lock'));
    const signature = `${signatureOf(place.folder, LISTED_FILES)} ${isWorkedOn}`;
    if (before?.signature === signature) return before;
    // a problem that prevents the run's own page makes it damaged here as well
    signatureOf(place.folder, RUN_FILES);
    return { signature, listed: listRun(place, isWorkedOn) };
  } catch (error) {
    return { signature: 'damaged', listed: damagedRun(place, reasonOf(error)) };
  }
}

function lookAtSweep(place: Place, before: Known | undefined): Known {
  try {
    const signature = `${signatureOf(place.folder, SWEEP_FILES)} ${isSweepWorkedOn(place.folder)}`;
    return before?.signature === signature ? before : { signature, listed: listSweep(place) };
  } catch (error) {
    return { signature: 'damaged', listed: damagedSweep(place, reasonOf(error)) };
  }
}

/** A run that cannot be read, or disappears meanwhile, must not hide the others. */
function reasonOf(error: unknown): string {
  if (error instanceof UserError || (error instanceof Error && 'syscall' in error)) return error.message;
  throw error;
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

/** About 300 ms. */
const MAX_READ = 100;

interface ReadConfig {
  readonly signature: string;
  /** Null if it cannot be read; the run's own page shows the reason. */
  readonly texts: CommonConfig | null;
}

interface Told {
  readonly listed: ListedRun;
  readonly texts: CommonConfig | null;
  readonly common: CommonConfig;
  readonly row: ListedRun;
}

export class ListedConfigs {
  private known = new Map<string, ReadConfig>();
  private told = new Map<string, Told>();
  private commonText = '{}';
  /** The values that all configs read so far have in common; the same object while unchanged. */
  common: CommonConfig = {};

  /** Reads configs of `places`. The event loop gets a turn after each. */
  async read(places: readonly RunPlace[]): Promise<void> {
    const known = new Map<string, ReadConfig>();
    const pending: { place: RunPlace; signature: string }[] = [];
    for (const place of places) {
      const before = this.known.get(place.path);
      const signature = signatureOfConfig(place.folder);
      if (before !== undefined) known.set(place.path, before);
      if (before?.signature !== signature) pending.push({ place, signature });
    }
    pending.sort((a, b) => (basename(a.place.folder) < basename(b.place.folder) ? 1 : -1));
    for (const { place, signature } of pending.slice(0, MAX_READ)) {
      known.set(place.path, { signature, texts: textsOf(place.folder) });
      await new Promise(resolve => setImmediate(resolve));
    }
    this.known = known;
    const common = commonConfig([...known.values()].flatMap(({ texts }) => (texts === null ? [] : [texts])));
    const text = JSON.stringify(common);
    if (text === this.commonText) return;
    this.commonText = text;
    this.common = common;
  }

  /**
   * Adds to `runs` the values of their configs that are not common: the same objects for unchanged
   * runs.
   */
  withConfigs(runs: readonly ListedRun[]): readonly ListedRun[] {
    const { common } = this;
    const told = runs.map((listed): Told => {
      const texts = this.known.get(listed.path)?.texts ?? null;
      const before = this.told.get(listed.path);
      if (before?.listed === listed && before.texts === texts && before.common === common) return before;
      return { listed, texts, common, row: { ...listed, config: texts && restOf(texts, common) } };
    });
    this.told = new Map(told.map(one => [one.listed.path, one]));
    return told.map(({ row }) => row);
  }
}

function signatureOfConfig(folder: string): string {
  return readable(() => signatureOf(folder, ['config.resolved.yaml'])) ?? 'unreadable';
}

function textsOf(folder: string): CommonConfig | null {
  return (
    readable(() => {
      // links are not followed
      signatureOf(folder, ['config.resolved.yaml']);
      const { resolvedConfig } = RunDirectory.open(folder).files;
      return configTexts(readPlainConfig(resolvedConfig));
    }) ?? null
  );
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof UserError || (error instanceof Error && 'syscall' in error)) return undefined;
    throw error;
  }
}
