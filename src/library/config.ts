/** Configs and overrides passed by programs. */
import { type Experiment, type LoadedExperiment, loadExperiment } from '../config/index.js';
import { isPlainObject, type Kind, path } from '../util/arguments.js';

/** `T` with all keys optional, since defaults may be omitted. */
type Given<T> = T extends readonly (infer Item)[]
  ? readonly Given<Item>[]
  : T extends object
    ? { readonly [K in keyof T]?: Given<T[K]> | undefined }
    : T;

/**
 * A config as an object with the keys of a config file. `version` may be omitted. Relative paths
 * are resolved against the working directory. It is validated like a file; messages show it as
 * YAML, in the file `<object>`.
 */
export type ConfigObject = Given<Experiment> & { readonly extends?: string | readonly string[] };

/** Path of a config file, or a config object. */
export type Config = string | ConfigObject;

/**
 * Values that replace those of the config, by key path: `{ 'training.num_epochs': 3,
 * 'model.hidden_size': 64 }`.
 */
export type Overrides = Readonly<Record<string, unknown>>;

/** The first argument of `run` and `validate`. */
export const config: Kind = {
  expected: 'the path of a config file, or a config as an object',
  accepts: value => path.accepts(value) || isPlainObject(value),
};

/** Converts overrides to arguments of `--set`. */
export function assignments(overrides: Overrides = {}): readonly string[] {
  return Object.entries(overrides).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
}

/** Programs need not state the only version. */
export function withVersion(given: object): object {
  return { version: 1, ...given };
}

/** @throws UserError (exit 2) if the config is invalid, with all problems */
export function loadConfig(config: Config, set?: Overrides): LoadedExperiment {
  return loadExperiment(typeof config === 'string' ? config : withVersion(config), { set: assignments(set) });
}
