"""What the pages of the site call, in the kernel worker."""
