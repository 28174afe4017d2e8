// The connection to the server the page came from.
export async function connect(): Promise<void> {}
