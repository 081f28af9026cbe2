/** Feature columns of a config, with all that it says of each. */
import type { MissingSettings } from './columns.js';
import type { FeatureKeys } from './feature-keys.js';
import type { ConfigDiagnostic } from './problems.js';

type MissingCells = MissingSettings & { readonly markers?: readonly (string | number)[] };

/** A feature with all that the config says of it. */
export type Feature = ReturnType<typeof featureOf>;

/**
 * @param path of the key that names it, in `dataset`
 * @param ofAll the `missing` of the dataset
 */
export function featureOf(
  given: string | FeatureKeys,
  path: readonly (string | number)[],
  ofAll: MissingCells | undefined,
) {
  const { column, encode, calendar, size, min_count, suffix, missing }: FeatureKeys =
    typeof given === 'string' ? { column: given } : given;
  return {
    ...{ column, encode, calendar, suffix },
    ...{ isStatic: path[0] === 'static_features', isTime: path[0] === 'sequence' },
    embedding: size === undefined ? undefined : { size, minCount: min_count ?? 1 },
    missing: ofAll || missing ? { ...ofAll, ...missing } : undefined,
    keyPath: ['dataset', ...path],
    namedAt: ['dataset', ...path, ...(typeof given === 'string' ? [] : ['column'])],
  };
}

export function staticsOf(
  given: readonly (string | FeatureKeys)[] | undefined,
  ofAll: MissingCells | undefined,
): Feature[] {
  return (given ?? []).map((feature, i) => featureOf(feature, ['static_features', i], ofAll));
}

/**
 * Features that are given twice, or that are a target.
 * @param what a feature is in the data, such as `column`
 */
export function featureLeaks(
  features: readonly Feature[],
  targets: readonly string[],
  what: string,
): ConfigDiagnostic[] {
  // a date or a word may be read in several ways
  const forms = new Set<string>();
  return features.flatMap(({ column: name, encode, suffix, keyPath }): ConfigDiagnostic[] => {
    const form = JSON.stringify([name, encode, suffix]);
    const isTwice = forms.has(form);
    forms.add(form);
    if (isTwice)
      return [{ code: 'config/feature-twice', message: `the ${what} "${name}" is a feature twice`, keyPath }];
    if (!targets.includes(name)) return [];
    const message = `the target ${what} "${name}" is also a feature`;
    return [{ code: 'config/target-leak', message, keyPath }];
  });
}
