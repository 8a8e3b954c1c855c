"""Where nodes meet the host: types of sockets, tensors, what is shown, and values that cannot be meant."""
