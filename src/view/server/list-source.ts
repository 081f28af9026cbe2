/** The list of runs and sweeps as a source. */
import type { Catalog } from './catalog.js';
import type { ListChange, ListDocument, Listed } from './documents.js';
import { DOCUMENT, NOTHING, type Source, type Update } from './source.js';

export class ListSource implements Source {
  readonly everyMs = 1000;
  private told: ListDocument | undefined;

  constructor(private readonly catalog: Catalog) {}

  async poll(): Promise<Update> {
    await this.catalog.freshen();
    const before = this.told;
    const now = this.catalog.list;
    this.told = now;
    if (before === undefined || before.exists !== now.exists || before.deeper !== now.deeper) return DOCUMENT;
    const change = changeBetween(before, now);
    return isChange(change) ? { kind: 'change', change } : NOTHING;
  }

  document(): ListDocument {
    return this.told ?? this.catalog.list;
  }

  close(): void {}
}

function isChange({ common_config, changed, removed }: ListChange): boolean {
  return common_config !== undefined || changed.length + removed.length > 0;
}

function changeBetween(before: ListDocument, now: ListDocument): ListChange {
  const old = byPath(before);
  const current = byPath(now);
  return {
    ...(before.common_config !== now.common_config && { common_config: now.common_config }),
    // the catalog keeps the object of an unchanged one
    changed: [...current.values()].filter(one => {
      const known = old.get(one.path);
      return known !== one && JSON.stringify(known) !== JSON.stringify(one);
    }),
    removed: [...old.keys()].filter(path => !current.has(path)),
  };
}

function byPath({ runs, sweeps }: ListDocument): ReadonlyMap<string, Listed> {
  return new Map([...runs, ...sweeps].map(one => [one.path, one]));
}
