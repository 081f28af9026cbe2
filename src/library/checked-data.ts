/** Checks that a config fits its data, for one config or the points of a sweep. */
import { checkAgainstData, type LoadedExperiment, locateInConfig } from '../config/index.js';
import { checkName } from '../run/folders.js';
import { gateReferences } from '../train/gates.js';
import { initialParameters, modelSpec, openData } from '../train/session.js';
import { UserError } from '../util/errors.js';

/**
 * Opens the data of a config, and returns problems and warnings about both; `spec` if there are no
 * problems.
 * @throws UserError (exit 2 or 5) if the data cannot be opened or are damaged
 */
export async function checkedData(loaded: LoadedExperiment, open = () => openData(loaded.experiment)) {
  const { experiment } = loaded;
  try {
    checkName(experiment.name, loaded.locator.atValue(['name'], 'run/name', ''));
    const data = await open();
    const { diagnostics, warnings, sizes } = checkAgainstData(loaded, data);
    gateReferences(loaded);
    const spec = diagnostics.length > 0 ? undefined : modelSpec(loaded, sizes);
    if (spec) initialParameters(loaded, spec);
    return { data, diagnostics, warnings, spec };
  } catch (error) {
    throw error instanceof UserError ? locateInConfig(error, loaded) : error;
  }
}
