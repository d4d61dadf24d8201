"""What the running product does when something under it dies, hangs or fills up."""
