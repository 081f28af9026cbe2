/** What programs hand over as configs and overrides. */
import { type Experiment, type LoadedExperiment, loadExperiment } from '../config/index.js';
import { isPlainObject, type Kind, oneOf, path } from '../util/arguments.js';

/** `T` as people write it: what has a default may be left out. */
type Given<T> = T extends readonly (infer Item)[]
  ? readonly Given<Item>[]
  : T extends object
    ? { readonly [K in keyof T]?: Given<T[K]> | undefined }
    : T;

/**
 * A config as an object: the keys of a config file. `version` may be left out. Relative paths start
 * at the working directory. It is checked as a file is; messages show it as the YAML that it stands
 * for, in the file `<object>`.
 */
export type ConfigObject = Given<Experiment> & { readonly extends?: string | readonly string[] };

/** The path of a config file, or a config. */
export type Config = string | ConfigObject;

/**
 * Values that replace those of the config, by their key paths:
 * `{ 'training.num_epochs': 3, 'model.hidden_size': 64 }`.
 */
export type Overrides = Readonly<Record<string, unknown>>;

/** The first argument of `run` and `validate`. */
export const config: Kind = {
  expected: 'the path of a config file, or a config as an object',
  accepts: value => path.accepts(value) || isPlainObject(value),
};

export const backendKind = oneOf('auto', 'webgpu', 'webasm', 'cpu');

/** `overrides` as arguments of `--set`. */
export function assignments(overrides: Overrides = {}): readonly string[] {
  return Object.entries(overrides).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
}

/** @throws UserError (exit 2) with everything that is wrong */
export function loadConfig(config: Config, set?: Overrides): LoadedExperiment {
  const given = typeof config === 'string' ? config : { version: 1, ...config };
  return loadExperiment(given, { set: assignments(set) });
}
