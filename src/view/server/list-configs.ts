/**
 * The configs of the listed runs. Reading one takes milliseconds, so each poll reads only some of
 * thousands, the newest first.
 */
import { basename } from 'node:path';
import { readPlainConfig } from '../../config/merge/plain.js';
import { RunDirectory } from '../../run/directory.js';
import { UserError } from '../../util/errors.js';
import { commonConfig, restOf } from '../common-config.js';
import { configTexts } from '../config-values.js';
import type { CommonConfig } from '../document.js';
import type { ListedRun } from './documents.js';
import type { RunPlace } from './list-run.js';
import { signatureOf } from './safe-files.js';

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
