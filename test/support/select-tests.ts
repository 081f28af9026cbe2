/** Which tests a command line means. */
import { basename } from 'node:path';

/**
 * @param names all tests, such as `config-yaml`
 * @param wanted names, paths of sources or of compiled files; none means all
 */
export function selectTests(
  names: readonly string[],
  wanted: readonly string[],
): { readonly selected: readonly string[]; readonly unknown: readonly string[] } {
  if (wanted.length === 0) return { selected: names, unknown: [] };
  const found = wanted.map(word => {
    const name = basename(word).replace(/\.test\.[jt]s$/, '');
    return names.includes(name) ? [name] : names.filter(one => one.startsWith(`${name}-`));
  });
  return {
    selected: names.filter(name => found.some(some => some.includes(name))),
    unknown: wanted.filter((_, i) => found[i].length === 0),
  };
}
