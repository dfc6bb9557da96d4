constant constexpr uint BOUND = 10;  // words that say what a row keeps
