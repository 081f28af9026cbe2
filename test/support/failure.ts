import { UserError } from '../../src/util/errors.js';

function userError(error: unknown): UserError {
  if (error instanceof UserError) return error;
  throw error;
}

/** The error of a user that `action` throws. */
export function failure(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    return userError(error);
  }
  throw new Error('nothing was thrown');
}

/** The error of a user that `action` throws, or that its promise is rejected with. */
export async function rejection(action: () => unknown): Promise<UserError> {
  try {
    await action();
  } catch (error) {
    return userError(error);
  }
  throw new Error('nothing was thrown');
}
