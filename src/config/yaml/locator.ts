/** Makes diagnostics about keys of a merged config that point into its files and arguments. */
import type { Diagnostic } from '../../util/errors.js';
import { describePlace, positionOf } from './source.js';
import { keyPlace, type MapNode, nodeAt, type Path, valuePlace } from './tree.js';

export class Locator {
  constructor(private readonly tree: MapNode) {}

  /** A diagnostic at the value of `path`, or at the nearest key above if the value is a default. */
  atValue(path: Path, code: string, message: string, more: Partial<Diagnostic> = {}): Diagnostic {
    return { code, message, ...positionOf(valuePlace(this.tree, path)), ...more };
  }

  atKey(path: Path, code: string, message: string, more: Partial<Diagnostic> = {}): Diagnostic {
    return { code, message, ...positionOf(keyPlace(this.tree, path)), ...more };
  }

  /** A diagnostic at the key of `path`, which excludes the key `other` beside it. */
  atBoth(path: Path, code: string, other: string): Diagnostic {
    return this.atKey(path, code, `\`${other}\` and \`${path.at(-1)}\` cannot be combined`);
  }

  isGiven(path: Path): boolean {
    return nodeAt(this.tree, path) !== undefined;
  }

  /** `FILE:LINE:COL` of the value, `--set`, or `default`. */
  origin(path: Path): string {
    const found = nodeAt(this.tree, path);
    return found === undefined ? 'default' : describePlace(found.value.place);
  }
}
